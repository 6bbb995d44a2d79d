import { useTexts } from '../i18n/texts.ts'
import { picturesOf } from '../state/jobs.ts'
import { choose, shownJob, useStudio } from '../state/studioStore.ts'
import parameters from './Parameters.module.css'
import styles from './Stage.module.css'

/** More would make a page of pictures of what is a look back. */
const most = 48

/** The pictures made last, the newest first. */
export function RecentPictures() {
  const texts = useTexts()
  const jobs = useStudio((studio) => studio.jobs)
  const shown = useStudio(shownJob)
  const pictures = picturesOf(jobs).slice(0, most)
  if (pictures.length === 0) return null
  return (
    <section className={`panel ${parameters.section}`}>
      <h2 className={parameters.sectionTitle}>{texts.recent}</h2>
      <div className={styles.recent}>
        {pictures.map(({ job, picture: { index, url } }) => (
          <button
            key={`${job.id}/${index}`}
            type="button"
            className={styles.thumbnail}
            aria-pressed={shown?.id === job.id}
            title={job.title}
            onClick={() => choose({ jobId: job.id, index })}
          >
            <img src={url} alt={texts.pictureOf(job.title === '' ? texts.untitled : job.title)} loading="lazy" />
          </button>
        ))}
      </div>
    </section>
  )
}
