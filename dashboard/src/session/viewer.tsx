import { createContext, type ReactNode, useContext } from 'react'
import { useQuery } from 'urql'

import { type ApiScope, ViewerDocument, type ViewerQuery } from '../api/generated.ts'
import { isForbidden } from '../api/use.ts'
import { Button } from '../parts/button.tsx'
import { Gate } from './gate.tsx'
import { signOut } from './session.ts'

type Viewer = ViewerQuery['viewer']

const ViewerContext = createContext<Viewer | undefined>(undefined)

/** Asks who looks, and shows the page only to those who may read. */
export function ViewerProvider({ children }: { children: ReactNode }) {
  const [{ data, error }, ask] = useQuery({ query: ViewerDocument })
  if (data !== undefined) return <ViewerContext value={data.viewer}>{children}</ViewerContext>
  if (error === undefined) return <Gate busy />
  const forbidden = isForbidden(error)
  return (
    <Gate
      title={forbidden ? 'This key may not read' : 'The service does not answer'}
      words={forbidden ? 'The dashboard needs a key with the scope READ; MANAGE lets you act as well.' : 'Look whether it runs, then try again.'}
    >
      {!forbidden && <Button tone="main" onClick={() => ask({ requestPolicy: 'network-only' })}>Try again</Button>}
      <Button onClick={() => signOut()}>Use another key</Button>
    </Gate>
  )
}

export function useViewer(): Viewer {
  const viewer = useContext(ViewerContext)
  if (viewer === undefined) throw new Error('this part needs a viewer around it')
  return viewer
}

/** Whether whoever looks may do this. The service decides; the page only does not offer what would be refused. */
export function useMay(scope: ApiScope): boolean {
  return useViewer().scopes.includes(scope)
}
