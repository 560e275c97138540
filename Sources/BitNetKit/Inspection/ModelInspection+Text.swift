internal import Foundation

extension ModelInspection: CustomStringConvertible {
    /// What the file is, its sizes, its weights and its warnings: lines of up to 80 columns where
    /// names are not longer.
    public var description: String {
        var lines = [
            "file      \(path)", "kind      \(container), \(counted(tensors.count, "tensor"))",
        ]
        if let graph { lines += graph.lines }
        lines.append(
            "size      \(parameterCount.grouped) parameters, tensors of \(byteCount.grouped) bytes")
        lines += weightLines
        lines += silentLines
        lines += warnings.map { "warning: \($0)" }
        return lines.map(\.onOneLine).joined(separator: "\n")
    }

    /// Ternary matrices by what they are for: how many, types, shares of zeros, bits.
    private var weightLines: [String] {
        guard let bits else { return ["ternary   no matrix was read"] }
        let (trits, count) = (trits, Double(trits.count))
        func percent(_ part: Int) -> String {
            String(format: "%.2f%%", Double(part) / count * 100)
        }
        return [
            "ternary   \(trits.count.grouped) weights: \(percent(trits.negatives)) -1, "
                + "\(percent(trits.zeros)) 0, \(percent(trits.positives)) +1",
            String(
                format: "bits      %.3f per ternary weight in the file, "
                    + "packed %.3f (T2) or %.3f (T5)", bits.stored, bits.t2, bits.t5),
            String(format: "entropy   %.3f bits per ternary weight", bits.entropy),
        ]
    }

    private var silentLines: [String] {
        guard let graph, !silentNeurons.isEmpty, trits.count > 0 else { return [] }
        let read = silentNeurons.compactMap(\.self)
        let total = read.reduce(0, +)
        let all = graph.feedForward * read.count
        let share = String(format: "%.2f%%", Double(total) / Double(max(all, 1)) * 100)
        var lines = ["silent    \(total.grouped) of \(all.grouped) feed-forward neurons, \(share)"]
        let worst = silentNeurons.enumerated().compactMap { layer, count in
            count.map { (layer: layer, count: $0) }
        }.filter { $0.count > 0 }.sorted { $0.count > $1.count }.prefix(5)
        for (layer, count) in worst {
            let share = Double(count) / Double(max(graph.feedForward, 1)) * 100
            lines.append(
                "          layer \(layer): \(count.grouped), "
                    + String(format: "%.1f%%", share))
        }
        return lines
    }

    /// A line for each tensor: name, type, shape, and of ternary matrices scale, zeros and bits per
    /// weight that an ideal coder needs; of those with rows or columns that are all zero, how many.
    public var table: String {
        let head = ["tensor", "type", "shape", "scale", "zeros", "entropy", "silent"]
        var rows = [head] + tensors.map(\.columns)
        // Most files have no such rows.
        if rows.dropFirst().allSatisfy({ $0.last == "" }) { rows = rows.map { $0.dropLast() } }
        var widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        // Whatever else there is, 24 characters of a name tell it from others.
        let rest = widths.dropFirst().reduce(0) { $0 + $1 + 1 }
        widths[0] = min(widths[0], max(24, 80 - rest))
        rows = rows.map { [$0[0].shortened(to: widths[0])] + $0.dropFirst() }
        return rows.table(widths: widths)
    }
}

extension ModelGraph {
    fileprivate var lines: [String] {
        var traits = ["\(activation)"]
        if hasSubNorms { traits.append("sub-norms") }
        if hasLinearNorms { traits.append("norms in linear layers") }
        traits.append(isLMHeadTied ? "tied LM head" : "LM head of its own")
        return [
            "model     \(name)",
            "graph     \(architecture): " + traits.joined(separator: ", "),
            "layers    \(layers) of hidden size \(hidden), feed-forward \(feedForward)",
            "attention \(counted(heads, "head")) of \(headDimension), "
                + counted(keyValueHeads, "key-value head"),
            "text      vocabulary \(vocabulary.grouped), context \(context.grouped)",
        ]
    }
}

extension ModelInspection.Tensor {
    fileprivate var columns: [String] {
        let shape = shape.map { "\($0)" }.joined(separator: "x")
        guard let ternary else {
            return [name.onOneLine, type, shape, "", "", problem == nil ? "" : "unreadable", ""]
        }
        let silent = [(ternary.zeroRows.count, "row"), (ternary.zeroColumns.count, "column")]
            .filter { $0.0 > 0 }.map { counted($0.0, $0.1) }.joined(separator: ", ")
        return [
            name.onOneLine, type, shape, String(format: "%.4g", ternary.largestScale),
            String(format: "%.1f%%", ternary.trits.zeroShare * 100),
            String(format: "%.3f", ternary.bitsPerWeight), silent,
        ]
    }
}

extension String {
    /// With its middle left out where it is longer.
    fileprivate func shortened(to count: Int) -> String {
        guard self.count > count else { return self }
        let end = (count - 3) * 2 / 3
        return "\(prefix(count - 3 - end))...\(suffix(end))"
    }

    /// With a picture for every end of a line: what a file says must not look like a line of ours.
    fileprivate var onOneLine: String {
        var text = UnicodeScalarView()
        for scalar in unicodeScalars {
            text.append(scalar.properties.generalCategory == .control ? "\u{240A}" : scalar)
        }
        return String(text)
    }
}
