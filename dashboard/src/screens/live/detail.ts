import type { EventRowFragment } from '../../api/generated.ts'

/** What is particular to an event, in a line: the server's words, the link, the program. */
export function detail(event: EventRowFragment): string {
  switch (event.__typename) {
    case 'Bounced':
    case 'Deferred': {
      const codes = [event.smtpCode, event.enhancedCode].filter((code) => code != null).join(' ')
      const hardness = event.__typename === 'Bounced' && event.bounceType != null ? `${event.bounceType.toLowerCase()} bounce` : ''
      const said = event.message ?? event.reason ?? ''
      // Servers often begin with the code that is told beside their words.
      const words = event.enhancedCode != null && said.startsWith(event.enhancedCode) ? said.slice(event.enhancedCode.length).trim() : said
      return [hardness, codes, words].filter((part) => part !== '').join(' · ')
    }
    case 'Rejected':
      return event.reason ?? ''
    case 'Opened':
      return by(event)
    case 'Clicked':
      return [event.url ?? '', by(event)].filter((part) => part !== '').join(' · ')
    case 'Unknown':
      return event.name
    default:
      return event.email?.subject ?? ''
  }
}

function by({ bot, client, country }: { bot?: string | null | undefined; client?: string | null | undefined; country?: string | null | undefined }): string {
  const who = bot != null ? `by a machine (${bot})` : client != null ? `with ${client}` : ''
  return [who, country ?? ''].filter((part) => part !== '').join(' · ')
}
