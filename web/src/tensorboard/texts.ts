import type { Language } from '../i18n/language.ts'

const english = {
  title: 'Training curves',
  language: 'Language',
  runs: 'Runs',
  findRuns: 'Find runs',
  all: 'All',
  none: 'None',
  smoothing: 'Smoothing',
  logScale: 'Logarithmic scale',
  noRuns: 'No run has logged anything yet. Curves appear here as soon as a training takes its first step.',
  nothing: 'Nothing is logged',
  pictures: 'Sample pictures',
  step: (step: number) => `step ${step}`,
  updated: (time: string) => `as of ${time}`,
  unreachable: 'The server does not answer; it is asked again.',
}

/** Every text of the page. */
export type CurveTexts = typeof english

const chinese: CurveTexts = {
  title: '训练曲线',
  language: '语言',
  runs: '训练记录',
  findRuns: '查找训练记录',
  all: '全选',
  none: '全不选',
  smoothing: '平滑',
  logScale: '对数坐标',
  noRuns: '还没有任何训练写入记录。训练走完第一步后，曲线会出现在这里。',
  nothing: '没有记录',
  pictures: '预览图',
  step: (step: number) => `第 ${step} 步`,
  updated: (time: string) => `更新于 ${time}`,
  unreachable: '服务器没有响应，正在重试。',
}

export const curveTexts: Readonly<Record<Language, CurveTexts>> = { en: english, 'zh-CN': chinese }
