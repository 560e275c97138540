internal import BitNetPlots

/// What was measured of one matrix, or of several: a table when it is printed.
///
/// ```swift
/// let comparison = try MatmulBenchmark(threads: 1).compare(.init(rows: 2560, columns: 2560))
/// print(comparison)
/// try comparison.svg.write(to: url, atomically: true, encoding: .utf8)
/// ```
public struct MatmulComparison: Sendable, Hashable, Codable {
    /// All rows, in the order in which they were measured: float rows first, then the ternary ones of
    /// each layout, in one placement after the other.
    public let rows: [MatmulBenchmark.Row]
    /// What the machine does at best with the threads of these rows.
    public let limits: MachineLimits

    /// Rows with the limits of the machine in the same minutes.
    public init(rows: [MatmulBenchmark.Row], limits: MachineLimits) {
        self.rows = rows
        self.limits = limits
    }

    /// Bars of weights a second, one for each kernel and placement, as SVG. Colours follow the
    /// reader's choice of light or dark.
    public var svg: String { MatmulComparison.svg([self]) }

    /// The bars of several comparisons in one picture.
    public static func svg(_ comparisons: [MatmulComparison]) -> String {
        let rows = comparisons.flatMap(\.rows)
        let placements = MatmulBenchmark.Placement.allCases.filter { placement in
            rows.contains { $0.placement == placement }
        }
        var chart = BarChart(
            title: "Matrix products, ternary and float", unit: "billions of weights a second")
        chart.subtitle =
            comparisons.first.map { first in
                let speeds = comparisons.map {
                    "\(shortNumber($0.limits.bytesPerSecond / 1e9, step: 0.1)) GB/s to "
                        + threadCount($0.limits.threads)
                }
                let times = first.rows.isEmpty ? "" : "Medians. "
                return times + "\(MachineReport.processor). Memory gives "
                    + Array(Set(speeds)).sorted().joined(separator: ", ") + "."
            } ?? ""
        chart.series = placements.map { $0 == .cache ? "in cache" : "from memory" }
        for comparison in comparisons {
            chart.groups += groups(comparison.rows, placements)
        }
        return chart.svg
    }

    private static func groups(
        _ rows: [MatmulBenchmark.Row], _ placements: [MatmulBenchmark.Placement]
    ) -> [BarChart.Group] {
        var groups: [BarChart.Group] = []
        var kernels: [[String]] = []
        for row in rows {
            let heading = row.heading
            let place = groups.lastIndex { $0.heading == heading }
            if place == nil {
                groups.append(BarChart.Group(heading, []))
                kernels.append([])
            }
            let group = place ?? groups.count - 1
            let bar = kernels[group].firstIndex(of: row.kernel)
            if bar == nil {
                kernels[group].append(row.kernel)
                groups[group].bars.append(
                    BarChart.Bar(row.kernel, Array(repeating: nil, count: placements.count)))
            }
            guard let series = placements.firstIndex(of: row.placement) else { continue }
            groups[group].bars[bar ?? kernels[group].count - 1].values[series] =
                row.weightsPerSecond / 1e9
        }
        return groups
    }
}

extension MatmulComparison: CustomStringConvertible {
    /// A table of 80 columns with a line for each row, and what there is to say below it.
    public var description: String {
        var table = MatmulTable()
        let lines = rows.map { table.lines(for: $0, limits) }.joined()
        return lines + table.notes
    }
}

extension MatmulBenchmark.Row {
    /// The product of a row, in words.
    var heading: String {
        "\(rows)x\(columns), " + (batch == 1 ? "" : "\(batch) inputs, ") + threadCount(threads)
    }
}
