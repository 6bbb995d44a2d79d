import { Badge, Text } from '@mantine/core'
import type { WireJob } from '../../../src/server/native/schemas.ts'
import { useTexts } from '../i18n/texts.ts'
import { IconButton } from '../shell/IconButton.tsx'
import { endedOf, runningOf, waitingOf } from '../state/jobs.ts'
import { choose, endJob, moveJob, setPaused, useStudio } from '../state/studioStore.ts'
import { clock } from './clock.ts'
import parameters from './Parameters.module.css'
import styles from './QueuePanel.module.css'

/** What runs and what waits, as the server has it: other windows and other people's jobs too. */
export function QueuePanel() {
  const texts = useTexts()
  const { jobs, isPaused } = useStudio()
  const [running, waiting] = [runningOf(jobs), waitingOf(jobs)]
  // What failed stays in sight; pictures of what is done are below.
  const failed = endedOf(jobs)
    .filter(({ state }) => state === 'failed')
    .slice(0, 3)
  const shown = [...running, ...waiting, ...failed]
  return (
    <section className={`panel ${parameters.section}`} aria-label={texts.queue}>
      <div className={parameters.sectionHead}>
        <h2 className={parameters.sectionTitle}>{texts.queue}</h2>
        <div className={styles.status}>
          <Text size="xs" c="dimmed" aria-live="polite">
            {isPaused ? texts.paused : waiting.length > 0 ? texts.queueWaiting(waiting.length) : ''}
          </Text>
          <IconButton
            icon={isPaused ? 'play' : 'pause'}
            size="sm"
            label={isPaused ? texts.resumeQueue : texts.pauseQueue}
            onClick={() => setPaused(!isPaused)}
          />
        </div>
      </div>
      {shown.length === 0 ? (
        <Text size="sm" c="dimmed">
          {texts.queueEmpty}
        </Text>
      ) : (
        <ul className={styles.list} data-testid="queue">
          {shown.map((job) => (
            <Row key={job.id} job={job} isFirst={job === waiting[0]} isLast={job === waiting.at(-1)} />
          ))}
        </ul>
      )}
    </section>
  )
}

const colours = { queued: 'gray', running: 'orange', done: 'teal', failed: 'red', cancelled: 'gray' } as const

interface RowProps {
  readonly job: WireJob
  readonly isFirst: boolean
  readonly isLast: boolean
}

function Row({ job, isFirst, isLast }: RowProps) {
  const texts = useTexts()
  const { id, state, title, progress, error, attempts } = job
  const eta = progress?.etaSeconds
  return (
    <li className={styles.row}>
      <Badge variant="light" size="sm" color={colours[state]} className={styles.state}>
        {texts[state === 'queued' ? 'waiting' : state]}
      </Badge>
      <button type="button" className={styles.title} onClick={() => choose({ jobId: id, index: -1 })}>
        {title === '' ? texts.untitled : title}
        {error && state === 'failed' && <span className={styles.reason}>{error.message}</span>}
        {attempts > 1 && state === 'running' && <span className={styles.reason}>{texts.retried}</span>}
      </button>
      {state === 'running' && progress && (
        <span className={styles.numbers}>
          {Math.round(100 * progress.fraction)} %{eta !== null && eta !== undefined && ` · ${clock(eta)}`}
        </span>
      )}
      {state === 'queued' && (
        <>
          <IconButton icon="up" size="sm" label={texts.moveUp} disabled={isFirst} onClick={() => moveJob(id, 'up')} />
          <IconButton
            icon="down"
            size="sm"
            label={texts.moveDown}
            disabled={isLast}
            onClick={() => moveJob(id, 'down')}
          />
        </>
      )}
      {(state === 'queued' || state === 'running') && (
        <IconButton icon="close" size="sm" label={texts.cancel} onClick={() => endJob(id, 'cancel')} />
      )}
    </li>
  )
}
