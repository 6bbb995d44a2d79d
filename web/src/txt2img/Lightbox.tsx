import { Modal } from '@mantine/core'
import { type KeyboardEvent, useCallback } from 'react'
import { useTexts } from '../i18n/texts.ts'
import { IconButton } from '../shell/IconButton.tsx'
import { type JobPicture, picturesOf } from '../state/jobs.ts'
import { choose, useStudio } from '../state/studioStore.ts'
import styles from './Stage.module.css'

interface LightboxProps {
  readonly shown: JobPicture
  readonly onClose: () => void
}

/** A picture as large as the window; arrow keys go through all of them. */
export function Lightbox({ shown: { job, picture }, onClose }: LightboxProps) {
  const texts = useTexts()
  const jobs = useStudio((studio) => studio.jobs)
  const pictures = picturesOf(jobs)
  const at = pictures.findIndex((each) => each.job.id === job.id && each.picture.index === picture.index)
  const go = useCallback(
    (to: number) => {
      const target = pictures[to]
      if (target) choose({ jobId: target.job.id, index: target.picture.index })
    },
    [pictures],
  )
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'ArrowLeft') go(at - 1)
    if (event.key === 'ArrowRight') go(at + 1)
  }
  const title = job.title === '' ? texts.untitled : job.title
  return (
    <Modal
      opened
      onClose={onClose}
      onKeyDown={onKeyDown}
      title={title}
      closeButtonProps={{ 'aria-label': texts.close }}
      fullScreen
      lockScroll={false}
    >
      <div className={styles.lightbox}>
        <IconButton icon="left" label={texts.previous} disabled={at <= 0} onClick={() => go(at - 1)} />
        <img src={picture.url} width={picture.width} height={picture.height} alt={texts.pictureOf(title)} />
        <IconButton
          icon="right"
          label={texts.next}
          disabled={at < 0 || at === pictures.length - 1}
          onClick={() => go(at + 1)}
        />
      </div>
    </Modal>
  )
}
