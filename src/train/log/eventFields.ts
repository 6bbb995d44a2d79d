/** Field numbers of TensorFlow's messages in event files: Event, Summary.Value, Summary.Image, TensorProto, SessionLog. */
export const event = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 } as const
export const summaryValue = 1
export const value = { tag: 1, simpleValue: 2, image: 4, tensor: 8 } as const
export const image = { height: 1, width: 2, colorspace: 3, encoded: 4 } as const
export const tensorValue = { type: 1, content: 4, floats: 5, doubles: 6 } as const
export const sessionLog = { status: 1, started: 1 } as const
