import './theme.css'

import { RouterProvider } from '@tanstack/react-router'
import { StrictMode, useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { Provider } from 'urql'

import { open, type Service } from './api/service.ts'
import { ServiceContext, useCell } from './api/use.ts'
import { router } from './routes.tsx'
import { session, signInByLink, signOut, takeLink } from './session/session.ts'
import { SignIn } from './session/sign-in.tsx'
import { ViewerProvider } from './session/viewer.tsx'
import { startLook } from './shell/look.ts'

/** The page for this credential; another credential is another page, with nothing of the first one's. */
function SignedIn({ credential }: { credential: string }) {
  const [service, setService] = useState<Service>()
  useEffect(() => {
    const opened = open(credential, () => signOut('Your key is not known any more: it ended, or was revoked.'))
    setService(opened)
    return opened.close
  }, [credential])
  if (service === undefined) return null
  return (
    <ServiceContext value={service}>
      <Provider value={service.client}>
        <ViewerProvider>
          <RouterProvider router={router} />
        </ViewerProvider>
      </Provider>
    </ServiceContext>
  )
}

function Page() {
  const { credential } = useCell(session)
  return credential === undefined ? <SignIn /> : <SignedIn key={credential} credential={credential} />
}

startLook()
const code = takeLink(location, history)
if (code !== undefined) await signInByLink(code)
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <Page />
  </StrictMode>,
)
