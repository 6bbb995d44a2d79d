import { Button, Text } from '@mantine/core'
import { useState } from 'react'
import { useTexts } from '../i18n/texts.ts'
import { Icon } from '../shell/Icon.tsx'
import { IconButton } from '../shell/IconButton.tsx'
import type { JobPicture } from '../state/jobs.ts'
import { reuseInfotext } from '../state/studioStore.ts'
import { copyText } from './copyText.ts'
import styles from './Stage.module.css'

interface PictureDetailsProps {
  readonly shown: JobPicture
  readonly onEnlarge: () => void
}

/** What a picture says about itself, and what can be done with it. */
export function PictureDetails({ shown: { job, picture }, onEnlarge }: PictureDetailsProps) {
  const texts = useTexts()
  const [copied, setCopied] = useState<string>()
  const { infotext, url, seed, width, height } = picture
  return (
    <div className={styles.details}>
      <div className={styles.actions}>
        <Button size="xs" leftSection={<Icon name="recycle" size={14} />} onClick={() => reuseInfotext(infotext)}>
          {texts.reuse}
        </Button>
        <Button
          size="xs"
          variant="default"
          leftSection={<Icon name="copy" size={14} />}
          onClick={async () => {
            if (await copyText(infotext)) setCopied(infotext)
          }}
        >
          {copied === infotext ? texts.copied : texts.copyInfotext}
        </Button>
        <Button
          size="xs"
          variant="default"
          component="a"
          href={url}
          download={`${seed}.png`}
          leftSection={<Icon name="download" size={14} />}
        >
          {texts.download}
        </Button>
        <IconButton icon="enlarge" size="md" label={texts.enlarge} onClick={onEnlarge} />
        <Text size="xs" c="dimmed" ml="auto">
          {width}×{height}
          {job.isInterrupted && ` · ${texts.interrupted}`}
        </Text>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
      <section className={styles.infotext} aria-label={texts.infotext} tabIndex={0} data-testid="infotext">
        {infotext}
      </section>
    </div>
  )
}
