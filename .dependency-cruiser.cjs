/** The floors of src/, lowest first. A folder may import its own floor's earlier folders and everything below. */
const floors = [
  ['tensor'],
  ['files', 'image'],
  ['diffusion', 'graph', 'text'],
  ['runtime', 'nn'],
  ['models'],
  ['lora'],
  ['pipeline'],
  ['dataset', 'metrics', 'train', 'scripts', 'compare'],
  ['jobs', 'gallery', 'runs'],
  ['worker'],
  ['server'],
  ['client'],
  ['cli'],
]

const rooms = (list) => `^src/(${list.join('|')})/`

const upward = floors.slice(0, -1).map((floor, level) => ({
  name: `no-upward-from-${floor.join('-')}`,
  comment: 'Imports go down. Move what both need to the lower floor instead.',
  severity: 'error',
  from: { path: rooms(floor), pathNot: '\\.test\\.ts$' },
  to: { path: rooms(floors.slice(level + 1).flat()) },
}))

module.exports = {
  forbidden: [
    ...upward,
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one idea, or hide a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'diffusion-reads-like-the-paper',
      comment: 'Samplers and schedules need arrays and nothing else.',
      severity: 'error',
      from: { path: '^src/diffusion/', pathNot: '\\.test\\.ts$' },
      to: { path: '^src/', pathNot: '^src/(diffusion|tensor)/|^src/errors' },
    },
    {
      name: 'mathematics-runs-in-a-browser',
      comment: 'These floors also run where there is no node: module.',
      severity: 'error',
      from: { path: '^src/(tensor|diffusion|graph|text|nn|models)/', pathNot: '\\.test\\.ts$' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'one-door-to-the-runtime',
      comment: 'Only runtime/ touches the native library.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/runtime/|\\.test\\.ts$' },
      to: { path: 'onnxruntime' },
    },
    {
      name: 'one-door-to-image-codecs',
      comment: 'Only image/ decodes and encodes pictures.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/image/|\\.test\\.ts$' },
      to: { path: 'node_modules/sharp' },
    },
    {
      name: 'page-sees-types-only',
      comment: 'The page knows the server by what goes over the wire: its types vanish when it is built.',
      severity: 'error',
      from: { path: '^web/' },
      to: { path: '^src/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'page-sees-the-wire-only',
      comment: 'What the page needs to know of the server goes over the wire.',
      severity: 'error',
      from: { path: '^web/' },
      to: { path: '^src/', pathNot: '^src/server/native/(schemas|trainingSchemas)\\.ts$' },
    },
    {
      name: 'react-in-the-page-only',
      comment: 'Nothing below the page draws.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^web/|node_modules/(react|@mantine)' },
    },
    {
      name: 'no-tests-in-sources',
      severity: 'error',
      from: { path: '^src/', pathNot: '\\.test\\.ts$' },
      to: { path: '\\.test\\.ts$|^test/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
}
