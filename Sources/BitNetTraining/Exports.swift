@_exported public import BitNetKit
