@_exported public import BitNetFiles
