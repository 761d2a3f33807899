import { Link } from '@tanstack/react-router'

import { AlertsDocument } from '../api/generated.ts'
import { useFresh } from '../api/use.ts'
import { Warning } from '../parts/icons.tsx'
import { called } from '../screens/overview/alerting.ts'

/** How many alerts are raised, on every screen; nothing while none is. */
export function AlertBadge() {
  const { result } = useFresh(AlertsDocument, {})
  const { n, grave } = called(result.data?.alerts ?? [])
  return (
    <span role="status" className="shrink-0">
      {n > 0 && (
        <Link
          to="/"
          hash="alerts"
          title="What somebody should look at, and what to do"
          className={`inline-flex h-7 items-center gap-1.5 rounded-md px-2 font-medium whitespace-nowrap ${grave ? 'bg-bad-soft text-bad' : 'bg-warn-soft text-warn'}`}
          data-testid="alerts"
        >
          <Warning className="size-3.5" />
          {n}<span className="max-sm:sr-only">{n === 1 ? 'alert' : 'alerts'}</span>
        </Link>
      )}
    </span>
  )
}
