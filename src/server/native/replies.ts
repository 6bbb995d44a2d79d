import { Type } from 'typebox'
import { ErrorBody, ref } from './schemas.ts'

/** The error replies of a route by their statuses; any may come with 401, 403 and 500 as well. */
export function errors<const S extends readonly number[]>(...statuses: S) {
  const body = ref(ErrorBody)
  return Object.fromEntries([...statuses, 401, 403, 500].map((status) => [status, body])) as Record<
    S[number] | 401 | 403 | 500,
    typeof body
  >
}

/** The parameter of routes about one thing. */
export const Id = Type.Object({ id: Type.String({ maxLength: 100 }) })
