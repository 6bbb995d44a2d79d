import { Progress, Text } from '@mantine/core'
import { useState } from 'react'
import type { WireJob } from '../../../src/server/native/schemas.ts'
import type { Texts } from '../i18n/english.ts'
import { useTexts } from '../i18n/texts.ts'
import { choose, shownJob, useStudio } from '../state/studioStore.ts'
import { clock } from './clock.ts'
import { Lightbox } from './Lightbox.tsx'
import { PictureDetails } from './PictureDetails.tsx'
import styles from './Stage.module.css'
import { useShownPicture } from './useShownPicture.ts'

/** The picture that is made now, or the one that was chosen, with everything about it. */
export function Stage() {
  const texts = useTexts()
  const job = useStudio(shownJob)
  const choice = useStudio((studio) => studio.choice)
  const shown = useShownPicture()
  const [isLarge, setLarge] = useState(false)
  // While a job runs its preview comes first, unless a finished picture of it was chosen.
  const isFollowing = job?.state === 'running' && choice?.jobId !== job.id
  return (
    <section className={`panel ${styles.stage}`}>
      <div className={styles.frame}>
        {job && isFollowing ? (
          <Preview job={job} />
        ) : shown ? (
          <button
            type="button"
            className={styles.enlarge}
            aria-label={texts.enlarge}
            title={texts.enlarge}
            onClick={() => setLarge(true)}
          >
            <img
              className={styles.picture}
              src={shown.picture.url}
              width={shown.picture.width}
              height={shown.picture.height}
              alt={texts.pictureOf(titleOf(shown.job, texts))}
            />
          </button>
        ) : (
          <div className={styles.empty}>
            <Text fw={600}>{job?.state === 'queued' ? texts.waitingFor(job.ahead ?? 0) : texts.emptyTitle}</Text>
            {!job && (
              <Text size="sm" c="dimmed">
                {texts.emptyHint}
              </Text>
            )}
          </div>
        )}
      </div>
      {job?.state === 'running' && <ProgressLine job={job} />}
      {job && job.pictures.length > (isFollowing ? 0 : 1) && (
        <div className={styles.strip}>
          {job.pictures.map(({ index, url }) => (
            <button
              key={index}
              type="button"
              className={styles.thumbnail}
              aria-pressed={shown?.picture.index === index && !isFollowing}
              aria-label={`${index + 1}`}
              onClick={() => choose({ jobId: job.id, index })}
            >
              <img src={url} alt="" loading="lazy" />
            </button>
          ))}
        </div>
      )}
      {shown && !isFollowing && <PictureDetails shown={shown} onEnlarge={() => setLarge(true)} />}
      {shown && isLarge && <Lightbox shown={shown} onClose={() => setLarge(false)} />}
    </section>
  )
}

function Preview({ job }: { readonly job: WireJob }) {
  const texts = useTexts()
  const preview = job.progress?.preview
  if (!preview) return <div className={styles.empty}>{texts.starting}</div>
  return (
    <img
      className={`${styles.picture} ${styles.preview}`}
      src={preview.url}
      width={preview.width}
      height={preview.height}
      alt={texts.previewOf(titleOf(job, texts))}
    />
  )
}

function ProgressLine({ job: { progress } }: { readonly job: WireJob }) {
  const texts = useTexts()
  const percent = Math.round(100 * (progress?.fraction ?? 0))
  const parts = progress
    ? [
        progress.pass === 'hires'
          ? texts.hiresStep(progress.step, progress.steps)
          : texts.step(progress.step, progress.steps),
        ...(progress.batches > 1 ? [texts.batchOf(progress.batch + 1, progress.batches)] : []),
        ...(progress.etaSeconds === null ? [] : [texts.timeLeft(clock(progress.etaSeconds))]),
      ]
    : [texts.starting]
  return (
    <div className={styles.progress}>
      <Progress.Root size="lg">
        <Progress.Section value={percent} aria-label={texts.running} animated striped />
      </Progress.Root>
      <Text size="sm" className={styles.numbers}>
        <span>{parts.join(' · ')}</span>
        <span>{percent} %</span>
      </Text>
    </div>
  )
}

function titleOf({ title }: WireJob, texts: Texts): string {
  return title === '' ? texts.untitled : title
}
