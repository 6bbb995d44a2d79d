import { Alert, Anchor, Select, Tabs, useComputedColorScheme, useMantineColorScheme } from '@mantine/core'
import { languages, setLanguage, useLanguage, useTexts } from '../i18n/texts.ts'
import { useStudio } from '../state/studioStore.ts'
import { Txt2imgTab } from '../txt2img/Txt2imgTab.tsx'
import { CheckpointPicker } from './CheckpointPicker.tsx'
import flame from './flame.svg'
import { IconButton } from './IconButton.tsx'
import styles from './Shell.module.css'

/** Every tab of the studio, in the order in which they are shown. A further tab is a line here. */
const tabs = [{ id: 'txt2img', Content: Txt2imgTab }] as const

/** The frame around all tabs: models, navigation, language and colours. */
export function Shell() {
  const texts = useTexts()
  const isConnected = useStudio((studio) => studio.isConnected)
  return (
    <Tabs defaultValue={tabs[0].id} keepMounted={false}>
      <header className={styles.header}>
        <div className={styles.brand}>
          <img src={flame} alt="" width={26} height={26} />
          <span>Athanor</span>
        </div>
        <Tabs.List className={styles.tabs}>
          {tabs.map(({ id }) => (
            <Tabs.Tab key={id} value={id}>
              {texts[id]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <CheckpointPicker />
        <div className={styles.preferences}>
          <Anchor href="docs" size="sm">
            {texts.apiDocs}
          </Anchor>
          <LanguagePicker />
          <ColourSwitch />
        </div>
      </header>
      {!isConnected && (
        <Alert color="yellow" className={styles.notice} role="status">
          {texts.reconnecting}
        </Alert>
      )}
      <main className={styles.main}>
        {tabs.map(({ id, Content }) => (
          <Tabs.Panel key={id} value={id}>
            <Content />
          </Tabs.Panel>
        ))}
      </main>
    </Tabs>
  )
}

function LanguagePicker() {
  const texts = useTexts()
  return (
    <Select
      aria-label={texts.language}
      size="xs"
      w={110}
      data={languages}
      value={useLanguage()}
      onChange={(language) => language !== null && setLanguage(language)}
      allowDeselect={false}
    />
  )
}

function ColourSwitch() {
  const texts = useTexts()
  const { setColorScheme } = useMantineColorScheme()
  const now = useComputedColorScheme()
  return <IconButton icon="sun" label={texts.theme} onClick={() => setColorScheme(now === 'dark' ? 'light' : 'dark')} />
}
