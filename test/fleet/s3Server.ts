import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { AwsClient } from 'aws4fetch'
import { freePort } from './redisServer.ts'

/** Whether there is a server of S3 to test with. Where the checks of a change run, its absence is a failure. */
export const hasS3 = isOnPath()
if (!hasS3) {
  const advice = "no moto_server on the PATH (pip install 'moto[server]'): pictures in a bucket are not tried"
  if (process.env.CI) throw new Error(advice)
  console.warn(advice)
}

function isOnPath(): boolean {
  try {
    execFileSync('moto_server', ['--help'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** A server of S3 of a test's own, with one bucket. */
export class S3Server {
  readonly url = 's3://pictures/athanor'
  readonly environment: Readonly<Record<string, string>>
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, endpoint: string) {
    this.#child = child
    this.environment = {
      AWS_ACCESS_KEY_ID: 'someone',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_REGION: 'us-east-1',
      AWS_ENDPOINT_URL_S3: endpoint,
    }
  }

  static async start(): Promise<S3Server> {
    const port = await freePort()
    const child = spawn('moto_server', ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' })
    const server = new S3Server(child, `http://127.0.0.1:${port}`)
    while (!(await server.#makeBucket().catch(() => false))) await setTimeout(200)
    return server
  }

  async #makeBucket(): Promise<boolean> {
    const reply = await this.client.fetch(`${this.environment.AWS_ENDPOINT_URL_S3}/pictures`, { method: 'PUT' })
    return reply.ok
  }

  get client(): AwsClient {
    return new AwsClient({ accessKeyId: 'someone', secretAccessKey: 'secret', service: 's3', region: 'us-east-1' })
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }
}
