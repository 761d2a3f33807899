import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Link } from '@tanstack/react-router'

import { only, parse, write } from './address.ts'
import { Button } from './parts/button.tsx'
import { patiently } from './parts/patiently.ts'
import { Empty, Loading } from './parts/states.tsx'
import { Frame } from './shell/frame.tsx'

const root = createRootRoute({
  component: Frame,
  notFoundComponent: () => (
    <Empty title="Nothing is here">
      <Link to="/" className="text-accent underline">Go to the overview</Link>
    </Empty>
  ),
})
const at = () => root

const overview = createRoute({
  getParentRoute: at,
  path: '/',
  validateSearch: only('chart'),
  component: lazyRouteComponent(patiently(() => import('./screens/overview/overview.tsx')), 'Overview'),
})

const emails = createRoute({
  getParentRoute: at,
  path: '/emails',
  validateSearch: only('view', 'status', 'cause', 'address', 'domain', 'campaign', 'priority', 'since', 'until', 'order', 'after', 'before', 'email', 'tab'),
  component: lazyRouteComponent(patiently(() => import('./screens/emails/emails.tsx')), 'Emails'),
})

const live = createRoute({
  getParentRoute: at,
  path: '/live',
  validateSearch: only('type', 'address', 'campaign', 'email'),
  component: lazyRouteComponent(patiently(() => import('./screens/live/live.tsx')), 'Live'),
})

const campaigns = createRoute({
  getParentRoute: at,
  path: '/campaigns',
  validateSearch: only('status', 'name', 'template', 'after', 'before'),
  component: lazyRouteComponent(patiently(() => import('./screens/campaigns/campaigns.tsx')), 'Campaigns'),
})

const campaign = createRoute({
  getParentRoute: at,
  path: '/campaigns/$id',
  component: lazyRouteComponent(patiently(() => import('./screens/campaigns/campaign.tsx')), 'Campaign'),
})

const templates = createRoute({
  getParentRoute: at,
  path: '/templates',
  validateSearch: only('name', 'after', 'before'),
  component: lazyRouteComponent(patiently(() => import('./screens/templates/templates.tsx')), 'Templates'),
})

const newTemplate = createRoute({
  getParentRoute: at,
  path: '/templates/new',
  component: lazyRouteComponent(patiently(() => import('./screens/templates/template.tsx')), 'NewTemplate'),
})

const template = createRoute({
  getParentRoute: at,
  path: '/templates/$id',
  component: lazyRouteComponent(patiently(() => import('./screens/templates/template.tsx')), 'Template'),
})

const suppressions = createRoute({
  getParentRoute: at,
  path: '/suppressions',
  validateSearch: only('search', 'reason', 'active', 'after', 'before', 'ask'),
  component: lazyRouteComponent(patiently(() => import('./screens/suppressions/suppressions.tsx')), 'Suppressions'),
})

const settings = createRoute({
  getParentRoute: at,
  path: '/settings',
  component: lazyRouteComponent(patiently(() => import('./screens/settings/settings.tsx')), 'Settings'),
})

/** Every screen and what its address may say. A path here stands in the service's table of paths as well. */
export const router = createRouter({
  routeTree: root.addChildren([overview, emails, live, campaigns, campaign, templates, newTemplate, template, suppressions, settings]),
  parseSearch: parse,
  stringifySearch: write,
  defaultPreload: 'intent',
  defaultErrorComponent: ({ reset }) => (
    <div className="panel">
      <Empty title="This screen can’t be shown">
        <p className="mb-2">Something in the page went wrong; nothing was changed in the service.</p>
        <Button onClick={reset}>Try again</Button>
      </Empty>
    </div>
  ),
  defaultPendingComponent: () => <Loading />,
  scrollRestoration: true,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
