import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { startLanguage } from './i18n/texts.ts'
import { App } from './shell/App.tsx'
import { startForm } from './state/formStore.ts'
import { startStudio } from './state/studioStore.ts'

const root = document.getElementById('root')
if (!root) throw new Error('internal: index.html has no #root')

startLanguage()
startForm()
startStudio()
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
