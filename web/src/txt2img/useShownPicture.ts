import type { JobPicture } from '../state/jobs.ts'
import { shownJob, useStudio } from '../state/studioStore.ts'

/** The picture on the stage, where one is finished. */
export function useShownPicture(): JobPicture | undefined {
  const job = useStudio(shownJob)
  const choice = useStudio((studio) => studio.choice)
  if (!job) return undefined
  const chosen = choice?.jobId === job.id ? job.pictures.find(({ index }) => index === choice.index) : undefined
  const picture = chosen ?? job.pictures[0]
  return picture && { job, picture }
}
