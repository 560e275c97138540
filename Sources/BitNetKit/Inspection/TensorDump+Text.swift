extension TensorDump: CustomStringConvertible {
    /// Each group's bytes with what they hold, then its weights row by row, in up to 80 columns.
    public var description: String { shown(values: false).plain }

    /// - Parameter values: whether every weight of a ternary tensor is shown as a number too.
    package func shown(values: Bool) -> [ShownLine] {
        let shape = shape.map { "\($0)" }.joined(separator: "x")
        let range = "\(rows.lowerBound)..<\(rows.upperBound)"
        var lines = [ShownLine("\(tensor): \(type), \(shape), rows \(range)")]
        lines += layout.wrapped(to: 78).map { ShownLine($0) }
        for group in groups {
            lines.append(ShownLine())
            lines.append(head(group))
            lines += code == nil ? plainLines(group) : tritLines(group)
            if code != nil {
                lines += rowLines(group)
                if values { lines += valueLines(group.values) }
            }
        }
        return lines
    }

    private func head(_ group: Group) -> ShownLine {
        var line = ShownLine(group.offset.address, .offset)
        let places = group.runs.map { run in
            "row \(run.row) columns \(run.column)-\(run.column + run.count - 1)"
        }
        line.add("  " + (places.count < 3 ? places.joined(separator: ", ") : fourRows(group)))
        guard code != nil else { return line }
        let scales = Set(group.scales)
        if scales.count > 1 {
            let all = group.scales.map { $0?.short ?? "?" }.joined(separator: " ")
            line.add("  scales \(all)", .scale)
        } else {
            line.add("  scale \(group.scales.first.flatMap { $0 }?.short ?? "not known")", .scale)
        }
        return line
    }

    private func fourRows(_ group: Group) -> String {
        let rows = group.runs.map { "\($0.row)" }.joined(separator: " ")
        let first = group.runs[0]
        return "rows \(rows) columns \(first.column)-\(first.column + first.count - 1)"
    }

    /// Bytes, eight a line, and their trits below them.
    private func tritLines(_ group: Group) -> [ShownLine] {
        guard let code else { return [] }
        let isWhole = group.bytes.count == places.count
        return stride(from: 0, to: group.bytes.count, by: 8).flatMap { begin in
            var (line, trits) = (
                ShownLine((group.offset + begin).address + "  ", .offset),
                ShownLine(String(repeating: " ", count: 10))
            )
            for index in begin..<min(begin + 8, group.bytes.count) {
                let byte = group.bytes[index]
                line.add(byte.hexadecimal.padded(to: 6), .bytes)
                let held = isWhole ? places[index].count : code.tritCount
                let shown = code.trits(of: byte).prefix(held)
                trits.add(trits: shown)
                trits.add((shown.isEmpty ? "scale" : "").padded(to: 6 - shown.count))
            }
            return [line, trits]
        }
    }

    /// Trits as they stand in the matrix, 64 a line.
    private func rowLines(_ group: Group) -> [ShownLine] {
        var lines: [ShownLine] = []
        var start = 0
        for run in group.runs {
            for begin in stride(from: 0, to: run.count, by: 64) {
                let count = min(64, run.count - begin)
                var line = ShownLine("\(run.row),\(run.column + begin)".padded(to: 12))
                line.add(trits: group.trits[start + begin..<start + begin + count])
                lines.append(line)
            }
            start += run.count
        }
        return lines
    }

    /// Values with their bytes above them, or after all bytes of a block.
    private func plainLines(_ group: Group) -> [ShownLine] {
        let size = group.bytes.count / max(1, group.values.count)
        guard places.first?.isEmpty == false, size > 0 else { return blockLines(group) }
        return stride(from: 0, to: group.values.count, by: 4).flatMap { begin in
            var (line, values) = (
                ShownLine((group.offset + begin * size).address + "  ", .offset),
                ShownLine(String(repeating: " ", count: 10))
            )
            for index in begin..<min(begin + 4, group.values.count) {
                let bytes = group.bytes[index * size..<(index + 1) * size]
                line.add(bytes.map(\.hexadecimal).joined().padded(to: 17), .bytes)
                values.add((group.values[index]?.short ?? "not finite").padded(to: 17), .value)
            }
            return [line, values]
        }
    }

    private func blockLines(_ group: Group) -> [ShownLine] {
        let bytes = stride(from: 0, to: group.bytes.count, by: 16).map { begin in
            var line = ShownLine((group.offset + begin).address + " ", .offset)
            let part = group.bytes[begin..<min(begin + 16, group.bytes.count)]
            line.add(part.map { " " + $0.hexadecimal }.joined(), .bytes)
            return line
        }
        return bytes + valueLines(group.values)
    }

    private func valueLines(_ values: [Float?]) -> [ShownLine] {
        stride(from: 0, to: values.count, by: 5).map { begin in
            var line = ShownLine(String(repeating: " ", count: 10))
            for value in values[begin..<min(begin + 5, values.count)] {
                line.add((value?.short ?? "none").padded(to: 14), .value)
            }
            return line
        }
    }
}

extension Int {
    /// Eight hexadecimal digits, or more.
    fileprivate var address: String {
        let digits = String(self, radix: 16, uppercase: true)
        return String(repeating: "0", count: Swift.max(0, 8 - digits.count)) + digits
    }
}
