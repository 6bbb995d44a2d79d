import type { FastifyPluginAsync } from 'fastify'
import type { Services } from '../services.ts'

/** The routes of stable-diffusion-webui, `/sdapi/v1` and `/internal`, with that program's error bodies. */
export const a1111: FastifyPluginAsync<Services> = async () => {}
