import { useState } from 'react'

import { DeadLettersDocument, type EndpointRowFragment, RedriveDocument } from '../../../api/generated.ts'
import { useAct, useFresh } from '../../../api/use.ts'
import { Button } from '../../../parts/button.tsx'
import { Dialog } from '../../../parts/dialog.tsx'
import { counted, phrase } from '../../../parts/format.ts'
import { tell } from '../../../parts/notices.tsx'
import { Pager, type Place } from '../../../parts/pager.tsx'
import { Empty, Loading, Problem } from '../../../parts/states.tsx'
import { Ago } from '../../../parts/time.tsx'

const PAGE = 10

/** What an endpoint did not take in all its tries, and trying it anew. */
export function Dead({ endpoint, onClose }: { endpoint: EndpointRowFragment; onClose: () => void }) {
  const [place, setPlace] = useState<Place>({})
  const slice = place.before === undefined ? { first: PAGE, after: place.after } : { last: PAGE, before: place.before }
  const { result, ask } = useFresh(DeadLettersDocument, { id: endpoint.id, ...slice })
  const { act, busy, problem } = useAct(RedriveDocument, 'redriveEventDispatches')
  const dispatches = result.data?.eventEndpoint?.dispatches
  const redrive = async (ids?: string[]) => {
    const done = await act({ id: endpoint.id, filter: ids === undefined ? null : { ids } })
    if (done === undefined) return
    tell(`${counted(done.redriven, 'event')} tried anew.`)
    setPlace({})
    ask()
  }
  return (
    <Dialog
      title="Dead letters"
      wide
      onClose={onClose}
      extra={dispatches !== undefined && dispatches.totalCount > 0 && (
        <Button small tone="main" busy={busy} onClick={() => void redrive()}>Try all anew</Button>
      )}
    >
      {problem !== undefined && <p role="alert" className="px-4 pt-3 text-bad">{problem}</p>}
      {dispatches === undefined ? (
        result.error === undefined ? <Loading rows={4} /> : <Problem error={result.error} again={ask} />
      ) : dispatches.nodes.length === 0 ? (
        <Empty good title="None">What an endpoint does not take in eight tries, over more than a day, stands here for 30 days.</Empty>
      ) : (
        <>
          <ul>
            {dispatches.nodes.map(({ id, type, tries, error, triedAt, event }) => (
              <li key={id} data-testid="dead-letter" className="flex items-start gap-3 border-b border-line px-4 py-2 last:border-0">
                <div className="min-w-0 flex-1">
                  <p className="clip font-medium">{phrase(type)}{event?.address != null && <span className="font-normal text-muted"> {event.address}</span>}</p>
                  <p className="text-muted">{counted(tries, 'try', 'tries')}, the last <Ago at={triedAt} />: {error ?? 'no answer'}</p>
                </div>
                <Button small busy={busy} onClick={() => void redrive([id])}>Try anew</Button>
              </li>
            ))}
          </ul>
          <Pager
            info={dispatches.pageInfo}
            total={dispatches.totalCount}
            capped={dispatches.totalCountIsCapped}
            noun="dead letters"
            onGo={setPlace}
          />
        </>
      )}
    </Dialog>
  )
}
