import '@mantine/core/styles.css'
import './theme.css'
import { createTheme, MantineProvider } from '@mantine/core'
import { Shell } from './Shell.tsx'

const theme = createTheme({
  primaryColor: 'orange',
  defaultRadius: 'md',
  cursorType: 'pointer',
  respectReducedMotion: true,
})

/** Colours and fonts are variables of theme.css: the content policy allows no style element that a script adds. */
export function App() {
  return (
    <MantineProvider
      theme={theme}
      defaultColorScheme="auto"
      withCssVariables={false}
      withStaticClasses={false}
      withGlobalClasses={false}
    >
      <Shell />
    </MantineProvider>
  )
}
