import BitNetKit
import BitNetPlots
import Foundation

extension ModelInspection {
    /// The shares of -1, 0 and +1 by kind of matrix, by layer, and of every matrix, with the bits that
    /// a weight takes at least.
    var plot: BarChart {
        var chart = BarChart(
            title: "Ternary weights of \(graph?.name ?? path)", unit: "share of the weights")
        chart.subtitle = "beside each bar: entropy in bits a weight, at most 1.585"
        chart.series = ["-1", "0", "+1"]
        chart.colors = [.series(0), .series(5), .series(1)]
        chart.isStacked = true
        chart.end = 1
        let matrices = tensors.filter { $0.ternary != nil }
        guard graph != nil, matrices.contains(where: { $0.layer != nil }) else {
            chart.groups = [.init("", matrices.map { bar($0.name, [$0]) })]
            return chart
        }
        let known = matrices.filter { $0.layer != nil }
        let parts = known.compactMap(\.part).reduce(into: [String]()) { parts, part in
            if !parts.contains(part) { parts.append(part) }
        }
        let layers = Set(known.compactMap(\.layer)).sorted()
        func of(_ part: String) -> [Tensor] { known.filter { $0.part == part } }
        chart.groups = [
            .init("by kind", parts.map { bar($0, of($0)) }),
            .init(
                "by layer",
                layers.map { layer in bar("layer \(layer)", known.filter { $0.layer == layer }) }),
        ]
        chart.groups += parts.map { part in
            .init(part, of(part).map { bar("layer \($0.layer ?? 0)", [$0]) })
        }
        return chart
    }

    private func bar(_ label: String, _ tensors: [Tensor]) -> BarChart.Bar {
        let all = tensors.compactMap { $0.ternary?.trits }
        let counts = [
            all.reduce(0) { $0 + $1.negatives }, all.reduce(0) { $0 + $1.zeros },
            all.reduce(0) { $0 + $1.positives },
        ]
        let total = Double(max(1, counts.reduce(0, +)))
        let shares = counts.map { Double($0) / total }
        let bits = shares.reduce(0) { $1 > 0 ? $0 - $1 * log2($1) : $0 }
        return .init(String(format: "%@  %.3f", label, bits), shares.map { $0 })
    }
}
