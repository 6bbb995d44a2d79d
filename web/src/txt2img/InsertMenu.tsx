import { Button, Popover, SegmentedControl, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useTexts } from '../i18n/texts.ts'
import { Icon } from '../shell/Icon.tsx'
import { useStudio } from '../state/studioStore.ts'
import styles from './PromptPanel.module.css'

/** LoRA files and embeddings to put into a prompt at the cursor. */
export function InsertMenu({ onInsert }: { readonly onInsert: (words: string) => void }) {
  const texts = useTexts()
  const models = useStudio((studio) => studio.models)
  const [isOpen, setOpen] = useState(false)
  const [kind, setKind] = useState<'lora' | 'embedding'>('lora')
  const [search, setSearch] = useState('')
  const files = (kind === 'lora' ? models?.networks : models?.embeddings) ?? []
  const found = files.filter(({ name }) => name.toLowerCase().includes(search.toLowerCase()))
  return (
    <Popover opened={isOpen} onChange={setOpen} position="bottom-end" width={280} trapFocus shadow="md">
      <Popover.Target>
        <Button
          variant="default"
          size="xs"
          leftSection={<Icon name="plus" size={14} />}
          onClick={() => setOpen(!isOpen)}
        >
          {texts.insert}
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <SegmentedControl
          fullWidth
          size="xs"
          value={kind}
          onChange={setKind}
          data={[
            { value: 'lora', label: texts.lora },
            { value: 'embedding', label: texts.embedding },
          ]}
        />
        <TextInput
          mt={8}
          size="xs"
          aria-label={texts.insertSearch}
          placeholder={texts.insertSearch}
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
          data-autofocus
        />
        <div className={styles.insertList}>
          {found.map(({ name, title }) => (
            <Button
              key={title}
              variant="subtle"
              color="gray"
              size="compact-sm"
              justify="flex-start"
              title={title}
              onClick={() => {
                onInsert(kind === 'lora' ? `<lora:${name}:1>` : name)
                setOpen(false)
              }}
            >
              {name}
            </Button>
          ))}
          {found.length === 0 && (
            <Text size="xs" c="dimmed">
              {texts.insertNothing}
            </Text>
          )}
        </div>
      </Popover.Dropdown>
    </Popover>
  )
}
