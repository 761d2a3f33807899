"""What our scalars look like, for schemathesis, which knows only GraphQL's own."""

import schemathesis
from hypothesis import strategies
from schemathesis.graphql import nodes

schemathesis.graphql.scalar("EmailAddress", strategies.emails().map(nodes.String))
