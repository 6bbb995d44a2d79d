import { useEffect, useState } from 'react'
import { api, type TokenCount } from '../api/client.ts'
import { useForm } from '../state/formStore.ts'

/** How long typing must pause before the server is asked. */
const pauseMs = 200

/** Tokens of both prompts as they are now; undefined until the first answer. */
export function useTokenCounts(): { readonly prompt: TokenCount; readonly negativePrompt: TokenCount } | undefined {
  const { prompt, negativePrompt, styles, steps: entered } = useForm()
  // While a number is typed it may be any; what it counts for is only when [from:to:when] switches.
  const steps = Math.min(Math.max(Math.round(entered), 1), 10_000)
  const [counts, setCounts] = useState<Awaited<ReturnType<typeof api.countTokens>>>()
  useEffect(() => {
    const abort = new AbortController()
    const timer = setTimeout(async () => {
      try {
        setCounts(await api.countTokens({ prompt, negativePrompt, styles, steps }, abort.signal))
      } catch {
        // A number is missing beside a text; whatever is wrong with the server is told when it matters.
        setCounts((before) => (abort.signal.aborted ? before : undefined))
      }
    }, pauseMs)
    return () => {
      clearTimeout(timer)
      abort.abort()
    }
  }, [prompt, negativePrompt, styles, steps])
  return counts
}
