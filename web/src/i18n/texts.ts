import { create } from 'zustand'
import { chinese } from './chinese.ts'
import { english, type Texts } from './english.ts'
import { keepLanguage, type Language, visitorsLanguage } from './language.ts'

const tables = { en: english, 'zh-CN': chinese } as const satisfies Record<Language, Texts>

export const languages: readonly { readonly value: Language; readonly label: string }[] = [
  { value: 'en', label: english.languageName },
  { value: 'zh-CN', label: chinese.languageName },
]

const useLanguageStore = create<{ readonly language: Language }>(() => ({ language: 'en' }))

export function setLanguage(language: Language): void {
  keepLanguage(language)
  document.documentElement.lang = language
  useLanguageStore.setState({ language })
}

/** Begins with the language of the visitor. */
export function startLanguage(): void {
  const language = visitorsLanguage()
  document.documentElement.lang = language
  useLanguageStore.setState({ language })
}

export const useLanguage = (): Language => useLanguageStore(({ language }) => language)

/** The texts of the page in the language of the visitor. */
export const useTexts = (): Texts => tables[useLanguage()]
