import type { Connection } from '../api/connection.ts'
import { useConnection } from '../api/use.ts'

const words: Record<Connection, { word: string; means: string; dot: string; text: string }> = {
  live: { word: 'Live', means: 'Changes arrive as they happen.', dot: 'bg-bar-good', text: 'text-muted' },
  connecting: { word: 'Connecting', means: 'The page asks anew as soon as it is connected: nothing is missed.', dot: 'bg-bar-warn animate-[breathe_1s_ease-in-out_infinite]', text: 'text-warn' },
  polling: { word: 'Polling', means: 'No live connection: the page asks every five seconds.', dot: 'rounded-none bg-bar-warn', text: 'text-warn' },
  offline: { word: 'Offline', means: 'The service does not answer. What you see is as it was.', dot: 'rounded-none bg-bar-bad', text: 'text-bad' },
}

/** How new what stands on the page is. */
export function ConnectionBadge() {
  const { word, means, dot, text } = words[useConnection()]
  return (
    <span role="status" title={means} className={`inline-flex shrink-0 items-center gap-1.5 px-1 whitespace-nowrap ${text}`} data-testid="connection">
      <span aria-hidden="true" className={`size-2 rounded-full ${dot}`} />
      {word}
    </span>
  )
}
