import { Alert } from '@mantine/core'
import { useTexts } from '../i18n/texts.ts'
import { controlNames } from '../state/controlNames.ts'
import { dismissTrouble, useStudio } from '../state/studioStore.ts'

/** What went wrong last, and which control it is about. */
export function TroubleNotice() {
  const texts = useTexts()
  const trouble = useStudio((studio) => studio.trouble)
  if (!trouble) return null
  const title = trouble.control ? texts.errorIn(texts[controlNames[trouble.control]]) : texts.errorTitle
  return (
    <Alert
      color="red"
      title={title}
      role="alert"
      withCloseButton
      closeButtonLabel={texts.dismiss}
      onClose={dismissTrouble}
    >
      {trouble.code === 'unreachable' ? texts.unreachable : trouble.message}
    </Alert>
  )
}
