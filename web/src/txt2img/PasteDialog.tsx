import { Button, Modal, Textarea } from '@mantine/core'
import { useState } from 'react'
import { useTexts } from '../i18n/texts.ts'
import { Icon } from '../shell/Icon.tsx'
import { reuseInfotext } from '../state/studioStore.ts'

/** Takes parameters from a text that a picture carried. */
export function PasteDialog() {
  const texts = useTexts()
  const [isOpen, setOpen] = useState(false)
  const [infotext, setInfotext] = useState('')
  return (
    <>
      <Button variant="default" size="xs" leftSection={<Icon name="paste" size={14} />} onClick={() => setOpen(true)}>
        {texts.paste}
      </Button>
      <Modal
        opened={isOpen}
        onClose={() => setOpen(false)}
        title={texts.pasteTitle}
        closeButtonProps={{ 'aria-label': texts.close }}
        size="lg"
        lockScroll={false}
      >
        <Textarea
          aria-label={texts.pasteTitle}
          placeholder={texts.pasteHint}
          rows={8}
          value={infotext}
          onChange={(event) => setInfotext(event.currentTarget.value)}
          data-autofocus
        />
        <Button
          mt="md"
          disabled={infotext.trim() === ''}
          onClick={() => {
            reuseInfotext(infotext)
            setInfotext('')
            setOpen(false)
          }}
        >
          {texts.pasteApply}
        </Button>
      </Modal>
    </>
  )
}
