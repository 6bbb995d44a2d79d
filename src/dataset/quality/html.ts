import { escapeHtml } from '../../text/escapeHtml.ts'
import type { Verdict } from './checks.ts'
import type { PictureReport, SetReport } from './report.ts'

const text = (value: number | string) => escapeHtml(String(value))

const style = `
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #222; background: #fafafa }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .2rem .6rem; vertical-align: top }
article { display: flex; gap: 1rem; background: #fff; border: 1px solid #ddd; border-left-width: .4rem; margin: .6rem 0; padding: .6rem }
article img, article .none { width: 160px; flex: none; object-fit: contain } article h3 { margin: 0 0 .3rem; font-size: 1rem; overflow-wrap: anywhere }
.pass { border-left-color: #2a2 } .info, .fix { border-left-color: #38c } .warn { border-left-color: #d90 } .fail { border-left-color: #c33 }
.excluded { opacity: .5 } b.fail { color: #c33 } b.warn { color: #a60 } b.info, b.fix { color: #27a } b.pass { color: #2a2 }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd } article { background: #222; border-color: #444 } }`

/** The report as one page that needs nothing else: pictures are inside it. */
export function reportPage(report: SetReport): string {
  const { root, grade, target, set, copies, buckets, pictures, problems, notes, skipped, thresholds } = report
  const sorted = [...pictures].sort((a, b) => b.verdicts.length - a.verdicts.length)
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${text(root)}</title><style>${style}</style></head><body>
<h1>${text(root)}: <b class="${grade}">${grade}</b></h1>
<p>${pictures.length} pictures, judged for ${target.join('×')}.</p>
<h2>The set</h2>${verdictTable(set)}
${list('Copies', copies, ({ kind, names, value }) => `${kind} (${round(value)}): ${names.join(', ')}`)}
${list('Buckets', buckets, ({ size, pictures, draws }) => `${size.join('×')}: ${pictures} pictures, ${draws} draws an epoch`)}
${list('Files that are not taken', problems, ({ name, problem }) => `${name}: ${problem}`)}
${list('Notes', notes, (note) => note)}
${list('Checks that were not made', skipped, (check) => check)}
<h2>Pictures</h2>${sorted.map(pictureEntry).join('\n')}
<h2>Limits</h2><table>${Object.entries(thresholds)
    .map(([name, value]) => `<tr><td>${text(name)}</td><td>${text(String(value))}</td></tr>`)
    .join('')}</table>
</body></html>
`
}

function pictureEntry({
  name,
  grade,
  verdicts,
  measures,
  caption,
  excluded,
  advice,
  thumbnail,
}: PictureReport): string {
  const image = thumbnail
    ? `<img alt="" src="data:image/jpeg;base64,${Buffer.from(thumbnail).toString('base64')}">`
    : '<div class="none">no picture</div>'
  const size = measures ? `${measures.width}×${measures.height}, sharpness ${round(measures.sharpness)}` : ''
  return `<article class="${grade}${excluded === undefined ? '' : ' excluded'}">${image}<div><h3>${text(name)}</h3>
<p>${size}</p>${excluded === undefined ? '' : `<p>Left out: ${text(excluded)}</p>`}
${verdictTable(verdicts)}
${advice === undefined ? '' : `<p><b class="fail">Better left out.</b></p>`}
${caption === undefined ? '' : `<p><code>${text(caption)}</code></p>`}</div></article>`
}

function verdictTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(
    ({ check, grade, value, threshold, message }) =>
      `<tr><td><b class="${grade}">${grade}</b></td><td>${text(check)}</td><td>${text(value)}</td><td>${text(threshold)}</td><td>${text(message)}</td></tr>`,
  )
  return rows.length === 0 ? '' : `<table>${rows.join('')}</table>`
}

function list<T>(title: string, items: readonly T[], line: (item: T) => string): string {
  if (items.length === 0) return ''
  return `<h2>${title}</h2><ul>${items.map((item) => `<li>${text(line(item))}</li>`).join('')}</ul>`
}

const round = (value: number) => Math.round(value * 100) / 100
