import { useEffect } from 'react'
import { endRunning, generate } from '../state/studioStore.ts'

/** Ctrl+Enter generates, Alt+Enter skips, Esc interrupts: A1111's keys. */
export function useShortcuts(): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing) return
      // Esc in a list or dialog closes that.
      const isInside = event.target instanceof Element && event.target.closest('[role=dialog],[aria-expanded=true]')
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) generate()
      else if (event.key === 'Enter' && event.altKey) endRunning('skip')
      else if (event.key === 'Escape' && !isInside) endRunning('interrupt')
      else return
      event.preventDefault()
    }
    addEventListener('keydown', onKeyDown)
    return () => removeEventListener('keydown', onKeyDown)
  }, [])
}
