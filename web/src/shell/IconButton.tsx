import { ActionIcon, Tooltip } from '@mantine/core'
import { Icon, type IconName } from './Icon.tsx'

interface IconButtonProps {
  readonly icon: IconName
  /** What it does: read aloud, and shown on hover. */
  readonly label: string
  readonly onClick: () => void
  readonly disabled?: boolean
  readonly size?: 'sm' | 'md' | 'lg'
}

/** A button that is only a drawing. */
export function IconButton({ icon, label, onClick, disabled = false, size = 'lg' }: IconButtonProps) {
  return (
    <Tooltip label={label} openDelay={400} withArrow>
      <ActionIcon variant="default" size={size} aria-label={label} onClick={onClick} disabled={disabled}>
        <Icon name={icon} size={size === 'sm' ? 14 : 18} />
      </ActionIcon>
    </Tooltip>
  )
}
