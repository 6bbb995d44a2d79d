import { keepLanguage, type Language } from '../i18n/language.ts'
import { make, part } from './dom.ts'

/** Title and choice of language of a page without a framework; a choice is kept, and then told. */
export function drawHeading(
  { title, language: label }: { readonly title: string; readonly language: string },
  language: Language,
  onChoice: (language: Language) => void,
): void {
  document.documentElement.lang = language
  document.title = `${title} – Athanor`
  part('title').textContent = title
  const chooser = part('language') as HTMLSelectElement
  chooser.ariaLabel = label
  chooser.replaceChildren(
    make('option', { value: 'en', selected: language === 'en' }, 'English'),
    make('option', { value: 'zh-CN', selected: language === 'zh-CN' }, '中文'),
  )
  chooser.onchange = () => {
    const choice = chooser.value as Language
    keepLanguage(choice)
    onChoice(choice)
  }
}
