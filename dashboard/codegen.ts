import type { CodegenConfig } from '@graphql-codegen/cli'

// Each operation stands in a .graphql file beside the screen that asks it; all become one module of typed documents.
const config: CodegenConfig = {
  schema: '../schema.graphql',
  documents: 'src/**/*.graphql',
  generates: {
    'src/api/generated.ts': {
      plugins: ['typescript-operations', 'typed-document-node'],
      config: {
        documentMode: 'documentNode',
        enumType: 'string-literal',
        enumsAsTypes: true,
        useTypeImports: true,
        strictScalars: true,
        scalars: { DateTime: 'string', EmailAddress: 'string', JSON: 'unknown' },
      },
    },
  },
}

export default config
