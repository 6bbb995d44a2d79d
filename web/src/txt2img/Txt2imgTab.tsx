import { Parameters } from './Parameters.tsx'
import { PromptPanel } from './PromptPanel.tsx'
import { QueuePanel } from './QueuePanel.tsx'
import { RecentPictures } from './RecentPictures.tsx'
import { Stage } from './Stage.tsx'
import { TroubleNotice } from './TroubleNotice.tsx'
import styles from './Txt2imgTab.module.css'
import { useShortcuts } from './useShortcuts.ts'

/** From words to pictures. */
export function Txt2imgTab() {
  useShortcuts()
  return (
    <div className={styles.tab}>
      <div className={styles.prompt}>
        <PromptPanel />
        <TroubleNotice />
      </div>
      <div className={styles.parameters}>
        <Parameters />
      </div>
      <div className={styles.results}>
        <Stage />
        <QueuePanel />
        <RecentPictures />
      </div>
    </div>
  )
}
