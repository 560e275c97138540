// What is measured comes with the measurements.
@_exported public import BitNetKit
