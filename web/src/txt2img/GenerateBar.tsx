import { Button, Tooltip } from '@mantine/core'
import { useTexts } from '../i18n/texts.ts'
import { runningOf } from '../state/jobs.ts'
import { endRunning, generate, useStudio } from '../state/studioStore.ts'
import styles from './PromptPanel.module.css'

/** Makes a picture, or one more after those that run, and ends what runs. */
export function GenerateBar() {
  const texts = useTexts()
  const isRunning = useStudio(({ jobs }) => runningOf(jobs).length > 0)
  return (
    <div className={styles.generate}>
      <Button size="md" onClick={generate} fullWidth>
        {isRunning ? texts.enqueue : texts.generate}
      </Button>
      {isRunning && (
        <div className={styles.endings}>
          <Tooltip label={texts.interruptHelp} openDelay={400}>
            <Button variant="default" onClick={() => endRunning('interrupt')}>
              {texts.interrupt}
            </Button>
          </Tooltip>
          <Tooltip label={texts.skipHelp} openDelay={400}>
            <Button variant="default" onClick={() => endRunning('skip')}>
              {texts.skip}
            </Button>
          </Tooltip>
        </div>
      )}
    </div>
  )
}
