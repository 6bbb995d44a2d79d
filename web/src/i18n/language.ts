/** A language by the name browsers have for it. */
export type Language = 'en' | 'zh-CN'

/** Where browsers keep what a visitor chose. */
const kept = 'athanor.language'

/** The language chosen before, else the first of the browser's that there is a table for. */
export function chooseLanguage(chosen: string | null, preferred: readonly string[]): Language {
  if (chosen === 'en' || chosen === 'zh-CN') return chosen
  for (const language of preferred) {
    if (/^zh\b/i.test(language)) return 'zh-CN'
    if (/^en\b/i.test(language)) return 'en'
  }
  return 'en'
}

/** The language of the visitor. */
export function visitorsLanguage(): Language {
  return chooseLanguage(localStorage.getItem(kept), navigator.languages)
}

/** Remembers a choice. */
export function keepLanguage(language: Language): void {
  localStorage.setItem(kept, language)
}
