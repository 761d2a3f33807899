import { useRouter } from '@tanstack/react-router'
import type { AnchorHTMLAttributes, MouseEvent } from 'react'

import { write } from '../address.ts'

interface PlainLinkProps extends Omit<AnchorHTMLAttributes<HTMLAnchorElement>, 'href'> {
  to: string
  search?: Record<string, unknown>
}

/**
 * A link of a row among many that come and go: the router's own listens to every change of the address and preloads, which
 * costs more than the rest of the row. It goes where the other would, and a click with a modifier stays the browser's.
 */
export function PlainLink({ to, search = {}, children, ...rest }: PlainLinkProps) {
  const { history } = useRouter()
  const href = to + write(search)
  const go = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.defaultPrevented) return
    event.preventDefault()
    history.push(href)
  }
  return <a {...rest} href={href} onClick={go}>{children}</a>
}
