internal import Foundation

/// Rows of a comparison as lines of 80 columns, one after the other.
package struct MatmulTable {
    private var heading = ""
    private var placement: MatmulBenchmark.Placement?
    private var rows: [MatmulBenchmark.Row] = []

    package init() {}

    /// The line of `row`, with headings before it where something else begins.
    package mutating func lines(for row: MatmulBenchmark.Row, _ limits: MachineLimits) -> String {
        var text = ""
        if row.heading != heading {
            text += rows.isEmpty ? "" : "\n"
            text += "\(row.heading); memory gives "
            text += String(format: "%.1f GB/s\n", limits.bytesPerSecond / 1e9)
            placement = nil
        }
        if row.placement != placement {
            let place = row.placement == .cache ? "in cache" : "from memory"
            text += place.padded(to: 20)
            text += "       us   ±%   Gw/s   GB/s   mem x float    error"
            text += hasEnergy(row) ? "       uJ\n" : "\n"
        }
        heading = row.heading
        placement = row.placement
        rows.append(row)
        return text + line(row) + "\n"
    }

    private func hasEnergy(_ row: MatmulBenchmark.Row) -> Bool {
        row.energy.joules != nil || rows.contains { $0.energy.joules != nil }
    }

    private func line(_ row: MatmulBenchmark.Row) -> String {
        let spread = (row.time.max - row.time.min) / 2 / row.seconds * 100
        let ratio = row.speedup.map { String(format: "%8.1f", $0) } ?? "       -"
        let error = row.largestError.map { String(format: "%9.1e", $0) } ?? "        -"
        let joules = row.energy.joules.map { String(format: "%9.2f", $0 * 1e6) }
        return row.kernel.padded(to: 20)
            + MatmulTable.number(row.seconds * 1e6, width: 9)
            + String(format: "%5.0f", min(spread, 999))
            + MatmulTable.number(row.weightsPerSecond / 1e9, width: 7)
            + MatmulTable.number(row.bytesPerSecond / 1e9, width: 7)
            + row.bandwidthShare.asBandwidth(width: 6)
            + ratio + error + (joules ?? (hasEnergy(row) ? "        -" : ""))
    }

    /// What is to be said of all rows: who computed the float ones, and where energy is from.
    package var notes: String {
        var lines: [String] = []
        for note in floatNotes {
            lines.append("\(note.kernels.joined(separator: ", ")): \(note.text)")
        }
        let energies = Set(
            rows.map { row in
                switch row.energy {
                case .joules(_, let source): "energy: \(source)"
                case .unavailable(let reason): "energy: unavailable: \(reason)"
                }
            })
        return (operationNotes + lines + energies.sorted())
            .flatMap { $0.wrapped(to: 80, indent: 2) }.map { $0 + "\n" }.joined()
    }

    /// What the ternary rows do for a weight, kernels that do the same together.
    private var operationNotes: [String] {
        MatmulBenchmark.Operation.allCases.compactMap { operation in
            var kernels: [String] = []
            for row in rows where row.operation == operation && row.layout != nil {
                if !kernels.contains(row.kernel) { kernels.append(row.kernel) }
            }
            return kernels.isEmpty ? nil : "\(kernels.joined(separator: ", ")): \(operation)"
        }
    }

    /// What there is to say of float rows, those of the same together.
    private var floatNotes: [(text: String, kernels: [String])] {
        var notes: [(text: String, kernels: [String])] = []
        for row in rows where row.layout == nil {
            let text = "by \(row.core) kernels" + (row.remark.map { "; \($0)" } ?? "")
            let place = notes.firstIndex { $0.text == text }
            if place == nil { notes.append((text, [])) }
            let note = place ?? notes.count - 1
            if !notes[note].kernels.contains(row.kernel) { notes[note].kernels.append(row.kernel) }
        }
        return notes
    }

    /// A number that keeps to its width: fewer digits behind the point for larger ones.
    private static func number(_ value: Double, width: Int) -> String {
        let digits = value < 10 ? 2 : value < 10_000 ? 1 : 0
        let text = String(format: "%.\(digits)f", value)
        return text.leftPadded(to: width)
    }
}

extension Double {
    /// A share of the memory's bandwidth as percent; a dash where weights came faster than memory gives
    /// them, so that a cache did. Both are measured, and a few percent more is memory all the same.
    package func asBandwidth(width: Int) -> String {
        (self <= 1.05 ? String(format: "%.0f%%", self * 100) : "-").leftPadded(to: width)
    }
}
