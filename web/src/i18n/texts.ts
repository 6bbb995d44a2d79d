import { create } from 'zustand'
import { chinese } from './chinese.ts'
import { english, type Texts } from './english.ts'

const tables = { en: english, 'zh-CN': chinese } as const satisfies Record<string, Texts>

/** A language by the name browsers have for it. */
export type Language = keyof typeof tables

export const languages: readonly { readonly value: Language; readonly label: string }[] = [
  { value: 'en', label: english.languageName },
  { value: 'zh-CN', label: chinese.languageName },
]

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

const useLanguageStore = create<{ readonly language: Language }>(() => ({ language: 'en' }))

export function setLanguage(language: Language): void {
  localStorage.setItem(kept, language)
  document.documentElement.lang = language
  useLanguageStore.setState({ language })
}

/** Begins with the language of the visitor. */
export function startLanguage(): void {
  const language = chooseLanguage(localStorage.getItem(kept), navigator.languages)
  document.documentElement.lang = language
  useLanguageStore.setState({ language })
}

export const useLanguage = (): Language => useLanguageStore(({ language }) => language)

/** The texts of the page in the language of the visitor. */
export const useTexts = (): Texts => tables[useLanguage()]
