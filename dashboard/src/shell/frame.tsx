import { Link, Outlet, useLocation, useNavigate } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { useSubscription } from 'urql'

import { AlertsChangedDocument, QueueChangedDocument } from '../api/generated.ts'
import { useCell } from '../api/use.ts'
import { IconButton } from '../parts/button.tsx'
import { Dialog } from '../parts/dialog.tsx'
import { setZone, zone } from '../parts/format.ts'
import { Exit, Flask, Half, Keyboard, Mark, Moon, More, Search, Sun } from '../parts/icons.tsx'
import { Menu, MenuItem } from '../parts/menu.tsx'
import { Notices } from '../parts/notices.tsx'
import { signOut } from '../session/session.ts'
import { useViewer } from '../session/viewer.tsx'
import { AlertBadge } from './alert-badge.tsx'
import { ConnectionBadge } from './badge.tsx'
import { shortcuts, useKeys } from './keys.ts'
import { look, setLook } from './look.ts'
import { Palette } from './palette.tsx'
import { places } from './places.ts'

/** What stands around every screen. */
export function Frame() {
  const navigate = useNavigate()
  const viewer = useViewer()
  const [open, setOpen] = useState<'palette' | 'keys'>()
  // Followed here, so that every screen's numbers move together.
  useSubscription({ query: QueueChangedDocument })
  useSubscription({ query: AlertsChangedDocument })

  useKeys({
    ...Object.fromEntries(places.map(({ key, path }) => [`g ${key}`, () => void navigate({ to: path })])),
    '?': () => setOpen('keys'),
    '/': () => document.querySelector<HTMLElement>('[data-search]')?.focus(),
  })
  useEffect(() => {
    const down = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key === 'k') {
        event.preventDefault()
        setOpen('palette')
      }
    }
    document.addEventListener('keydown', down)
    return () => document.removeEventListener('keydown', down)
  }, [])

  return (
    <div className="min-h-dvh md:grid md:grid-cols-[13rem_minmax(0,1fr)]">
      <a href="#screen" className="sr-only z-50 rounded-lg bg-surface px-3 py-2 shadow-lift focus:not-sr-only focus:fixed focus:start-2 focus:top-2">
        Skip to the screen
      </a>
      <Sidebar onSearch={() => setOpen('palette')} />
      <div className="flex min-w-0 flex-col">
        <header className="sticky top-0 z-20 flex h-12 items-center gap-1 border-b border-line bg-canvas/95 px-4 backdrop-blur md:px-6">
          <Mark className="me-1 size-6 md:hidden" />
          {viewer.sandbox && (
            <span className="inline-flex shrink-0 items-center gap-1.5 rounded-md bg-warn-soft px-2 py-0.5 whitespace-nowrap text-warn" title="Emails go to a built-in stand-in for Mailgun, which delivers nothing.">
              <Flask className="size-3.5" />
              <span>Sandbox<span className="hidden sm:inline">: nothing is delivered</span></span>
            </span>
          )}
          <span className="ms-auto" />
          <AlertBadge />
          <ConnectionBadge />
          <ZoneSwitch />
          <IconButton label="Search and go (Ctrl K)" className="md:hidden" onClick={() => setOpen('palette')}><Search /></IconButton>
          <IconButton label="Keys (?)" className="max-md:hidden" onClick={() => setOpen('keys')}><Keyboard /></IconButton>
          <LookMenu />
          <IconButton label="Sign out" onClick={() => signOut()}><Exit /></IconButton>
        </header>
        <main id="screen" tabIndex={-1} className="mx-auto w-full max-w-[1280px] flex-1 px-4 pt-5 pb-24 outline-none md:px-6 md:pb-10">
          <Outlet />
        </main>
      </div>
      <Tabs />
      <Notices />
      {open === 'palette' && <Palette onClose={() => setOpen(undefined)} />}
      {open === 'keys' && (
        <Dialog title="Keys" onClose={() => setOpen(undefined)}>
          <dl className="grid grid-cols-[auto_1fr] items-center gap-x-6 gap-y-2 p-4">
            {shortcuts.map(({ keys, does }) => (
              <div key={keys} className="contents">
                <dt className="flex gap-1">
                  {keys.split(/ +/).map((key) => (
                    <kbd key={key} className="min-w-6 rounded border border-line bg-sunken px-1.5 text-center font-mono text-2xs leading-5">{key}</kbd>
                  ))}
                </dt>
                <dd>{does}</dd>
              </div>
            ))}
          </dl>
        </Dialog>
      )}
    </div>
  )
}

function Sidebar({ onSearch }: { onSearch: () => void }) {
  const { version, key } = useViewer()
  return (
    <aside aria-label="Where to go" className="sticky top-0 hidden h-dvh flex-col border-e border-line bg-surface p-3 md:flex">
      <div className="flex items-center gap-2 px-1.5 pt-0.5 pb-3 text-sm font-semibold tracking-tight">
        <Mark />
        MailMind
      </div>
      <button type="button" onClick={onSearch} className="mb-3 flex h-8 items-center gap-2 rounded-lg border border-line bg-canvas px-2 text-faint hover:text-text">
        <Search className="size-4" />
        Go to
        <kbd className="ms-auto rounded border border-line bg-surface px-1 font-sans text-2xs">Ctrl K</kbd>
      </button>
      <nav aria-label="Screens" className="flex flex-col gap-0.5">
        {places.map(({ path, word, icon: Icon, means }) => (
          <Link
            key={path}
            to={path}
            title={means}
            activeOptions={{ exact: path === '/', includeSearch: false }}
            className="flex h-8 items-center gap-2.5 rounded-lg px-2 font-medium text-muted hover:bg-sunken hover:text-text"
            activeProps={{ className: 'bg-sunken !text-text', 'aria-current': 'page' }}
          >
            <Icon className="size-4" />
            {word}
          </Link>
        ))}
      </nav>
      <div className="mt-auto px-2 text-2xs text-faint">
        <p className="clip" title={key?.name}>{key?.name ?? 'Signed in'}</p>
        <p>Version {version}</p>
      </div>
    </aside>
  )
}

/** So many screens have a place of their own under a thumb; the others stand behind one more. */
const THUMB = 4
const tab = 'flex h-14 min-w-0 flex-col items-center justify-center gap-1 text-2xs text-muted'

/** The navigation under a thumb. */
function Tabs() {
  const [open, setOpen] = useState(false)
  const { pathname } = useLocation()
  const others = places.slice(THUMB)
  const there = others.some(({ path }) => pathname.startsWith(path))
  return (
    <>
      <nav aria-label="Screens" className="fixed inset-x-0 bottom-0 z-20 grid auto-cols-fr grid-flow-col border-t border-line bg-surface pb-[env(safe-area-inset-bottom)] md:hidden">
        {places.slice(0, THUMB).map(({ path, word, icon: Icon }) => (
          <Link key={path} to={path} activeOptions={{ exact: path === '/', includeSearch: false }} className={tab} activeProps={{ className: '!text-accent font-medium', 'aria-current': 'page' }}>
            <Icon className="size-4.5" />
            <span className="clip max-w-full">{word}</span>
          </Link>
        ))}
        <button type="button" aria-haspopup="dialog" onClick={() => setOpen(true)} className={`${tab} ${there ? '!text-accent font-medium' : ''}`}>
          <More className="size-4.5" />
          More
        </button>
      </nav>
      {open && (
        <Dialog title="More" onClose={() => setOpen(false)}>
          <ul className="p-1.5">
            {others.map(({ path, word, icon: Icon, means }) => (
              <li key={path}>
                <Link to={path} onClick={() => setOpen(false)} className="flex items-center gap-3 rounded-lg px-2.5 py-2.5 hover:bg-sunken" activeProps={{ 'aria-current': 'page' }}>
                  <Icon className="size-4.5 text-muted" />
                  <span><span className="block font-medium">{word}</span><span className="block text-muted">{means}</span></span>
                </Link>
              </li>
            ))}
          </ul>
        </Dialog>
      )}
    </>
  )
}

function ZoneSwitch() {
  const chosen = useCell(zone)
  const utc = chosen === 'utc'
  return (
    <button
      type="button"
      role="switch"
      aria-checked={utc}
      aria-label="Times in UTC"
      title={utc ? 'Times are in UTC; press for your own' : 'Times are your own; press for UTC'}
      onClick={() => setZone(utc ? 'local' : 'utc')}
      className="h-8 shrink-0 rounded-lg px-2 whitespace-nowrap text-muted hover:bg-sunken hover:text-text"
    >
      {utc ? 'UTC' : 'Local'}
    </button>
  )
}

function LookMenu() {
  const chosen = useCell(look)
  const Icon = { system: Half, light: Sun, dark: Moon }[chosen]
  return (
    <Menu quiet name="Look" label={<Icon />}>
      {(close) =>
        (
          [
            ['system', 'As the machine has it'],
            ['light', 'Light'],
            ['dark', 'Dark'],
          ] as const
        ).map(([value, word]) => (
          <MenuItem
            key={value}
            checked={chosen === value}
            onClick={() => {
              setLook(value)
              close()
            }}
          >
            {word}
          </MenuItem>
        ))
      }
    </Menu>
  )
}
