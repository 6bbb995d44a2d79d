import type { FastifyInstance } from 'fastify'
import { allDefaults } from '../../pipeline/wire/options.ts'
import type { Services } from '../services.ts'
import type { Context } from './context.ts'
import { httpException } from './errors.ts'
import { flagDefaults, folderFlags } from './flagDefaults.ts'
import { route } from './route.ts'

/** Options, flags, and the life of the server. */
export function settingsRoutes(app: FastifyInstance, context: Context, { shutDown }: Pick<Services, 'shutDown'>): void {
  const { options, settings, studio } = context
  route(app, 'GET', '/sdapi/v1/options', { summary: 'Every option' }, () => options.all())
  route(app, 'POST', '/sdapi/v1/options', { summary: 'Set options', isFree: true }, ({ body, floats }) => {
    options.set(body, floats)
    return null
  })
  route(app, 'GET', '/sdapi/v1/cmd-flags', { summary: 'Launch flags' }, () => ({
    ...flagDefaults,
    ...folderFlags(studio.dataDir),
    ...settings.flags,
  }))

  for (const what of ['embeddings', 'checkpoints', 'vae', 'loras']) {
    // Lists are read anew whenever they are asked for.
    route(app, 'POST', `/sdapi/v1/refresh-${what}`, { summary: `Look for new ${what}` }, () => null)
  }
  for (const what of ['unload', 'reload']) {
    // Workers free a checkpoint when a job needs another one, and load it when a job needs it.
    route(app, 'POST', `/sdapi/v1/${what}-checkpoint`, { summary: 'Accepted; memory is managed by itself' }, () => ({}))
  }
  if (settings.canBeStopped) {
    route(app, 'POST', '/sdapi/v1/server-kill', { summary: 'End at once' }, () => {
      shutDown('kill')
      return null
    })
    route(app, 'POST', '/sdapi/v1/server-restart', { summary: 'End in order to come back' }, () => {
      throw httpException(501, 'the server was not started by something that would start it again')
    })
    app.route({
      method: 'POST',
      url: '/sdapi/v1/server-stop',
      schema: { summary: 'Finish what runs, then end', tags: ['A1111'] },
      handler: async (_, reply) => {
        shutDown('stop')
        return reply.type('text/plain; charset=utf-8').send('Stopping.')
      },
    })
  }
  route(app, 'GET', '/internal/quicksettings-hint', { summary: 'Names of options' }, () =>
    Object.keys(allDefaults).map((name) => ({ name, label: name })),
  )
  for (const [path, isAttached] of [
    ['sysinfo', false],
    ['sysinfo-download', true],
  ] as const) {
    route(app, 'GET', `/internal/${path}`, { summary: 'What this server runs on' }, ({ reply }) => {
      if (isAttached) reply.header('content-disposition', 'attachment; filename="sysinfo.json"')
      return sysinfo(studio.dataDir)
    })
  }
  route(app, 'GET', '/internal/profile-startup', { summary: 'How long the server has run' }, () => ({
    total: performance.now() / 1000,
    records: {},
  }))
}

function sysinfo(dataDir: string) {
  const { node, v8 } = process.versions
  return { Platform: `${process.platform} ${process.arch}`, Node: node, V8: v8, 'Data path': dataDir }
}
