extension JinjaEvaluator {
    // MARK: - Filters of lists

    mutating func listFilter(
        _ value: JinjaValue, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        if input.name == "length" || input.name == "count" { return try length(of: value) }
        if case .string(let text) = value, input.name == "reverse" {
            return try made(String(String.UnicodeScalarView(text.unicodeScalars.reversed())))
        }
        let items = try items(of: value)
        try charge(items.count)
        switch input.name {
        case "first": return items.first ?? .undefined("the first of no items")
        case "last": return items.last ?? .undefined("the last of no items")
        case "join": return try joined(items, &input)
        case "list": return try made(items)
        case "reverse": return try made(items.reversed())
        case "sort":
            let isReversed = input.take("reverse")?.isTrue ?? false
            let isCaseSensitive = input.take("case_sensitive")?.isTrue ?? false
            let keys = try attributes(items, try takeString(&input, "attribute"))
            let order = try sortedIndices(
                keys, isCaseSensitive: isCaseSensitive, isReversed: isReversed)
            return try made(order.map { items[$0] })
        case "unique":
            let isCaseSensitive = input.take("case_sensitive")?.isTrue ?? false
            let keys = try attributes(items, try takeString(&input, "attribute"))
            var seen: Set<JinjaKey> = []
            var kept: [JinjaValue] = []
            for (item, key) in zip(items, keys)
            where seen.insert(try self.key(folded(key, isCaseSensitive))).inserted {
                kept.append(item)
            }
            return try made(kept)
        case "min", "max": return try extreme(items, &input)
        case "batch": return try batched(items, &input)
        default:
            let keys = try attributes(items, try takeString(&input, "attribute"))
            var sum = input.take("start") ?? .integer(0)
            for key in keys { sum = try arithmetic(.add, sum, key) }
            return sum
        }
    }

    private mutating func length(of value: JinjaValue) throws(JinjaFailure) -> JinjaValue {
        switch value {
        case .undefined: return .integer(0)
        case .string(let text):
            try charge(text.utf8.count)
            return .integer(text.unicodeScalars.count)
        case .list(let list): return .integer(list.items.count)
        case .dictionary(let dictionary): return .integer(dictionary.members.count)
        case .loop(let loop): return .integer(loop.items.items.count)
        default: throw failure("\(value.kind) has no length")
        }
    }

    private mutating func joined(
        _ items: [JinjaValue], _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let separator = try text(of: input.take("d") ?? .string(""))
        let items = try attributes(items, try takeString(&input, "attribute"))
        var result = ""
        for (index, item) in items.enumerated() {
            if index > 0 { result += separator }
            let part = try text(of: item)
            try charge(separator.utf8.count + part.utf8.count)
            result += part
        }
        return .string(result)
    }

    private mutating func extreme(
        _ items: [JinjaValue], _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let isCaseSensitive = input.take("case_sensitive")?.isTrue ?? false
        let keys = try attributes(items, try takeString(&input, "attribute"))
        var best: Int?
        for index in items.indices {
            guard let other = best else {
                best = index
                continue
            }
            let key = folded(keys[index], isCaseSensitive)
            let bestKey = folded(keys[other], isCaseSensitive)
            let isBetter = try input.name == "min" ? isLess(key, bestKey) : isLess(bestKey, key)
            if isBetter { best = index }
        }
        return best.map { items[$0] } ?? .undefined("the \(input.name) of no items")
    }

    private mutating func batched(
        _ items: [JinjaValue], _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let size = try required(try takeInteger(&input, "linecount"), input, "linecount")
        guard size > 0, size <= 1 << 20 else { throw failure("'batch' of \(size)") }
        let fill = input.take("fill_with") ?? .none
        var batches: [JinjaValue] = []
        for start in stride(from: 0, to: items.count, by: size) {
            var batch = Array(items[start..<min(start + size, items.count)])
            if case .none = fill {
            } else {
                batch += repeatElement(fill, count: size - batch.count)
            }
            batches.append(try made(batch))
        }
        return try made(batches)
    }

    /// The items, or of each its attribute `path`, dots and numbers included.
    private mutating func attributes(
        _ items: [JinjaValue], _ path: String?
    ) throws(JinjaFailure) -> [JinjaValue] {
        guard let path else { return items }
        var result: [JinjaValue] = []
        for item in items { result.append(try value(at: path, of: item)) }
        return result
    }

    private mutating func value(
        at path: String, of item: JinjaValue
    ) throws(JinjaFailure) -> JinjaValue {
        var value = item
        for part in path.split(at: ".", limit: -1) {
            value = try self.item(Int(part).map { .integer($0) } ?? .string(part), of: value)
        }
        return value
    }

    private func folded(_ value: JinjaValue, _ isCaseSensitive: Bool) -> JinjaValue {
        guard !isCaseSensitive, case .string(let text) = value else { return value }
        return .string(text.lowercased())
    }

    /// The order of `keys`, equal ones as they come.
    mutating func sortedIndices(
        _ keys: [JinjaValue], isCaseSensitive: Bool, isReversed: Bool
    ) throws(JinjaFailure) -> [Int] {
        var keys = keys.map { folded($0, isCaseSensitive) }
        if isReversed { keys.reverse() }
        var order = Array(keys.indices)
        // Merge sort: stable, and a comparison may throw.
        var width = 1
        while width < order.count {
            var merged: [Int] = []
            for start in stride(from: 0, to: order.count, by: 2 * width) {
                let middle = min(start + width, order.count)
                let end = min(start + 2 * width, order.count)
                var (left, right) = (start, middle)
                while left < middle || right < end {
                    var takesRight = left == middle
                    if left < middle, right < end {
                        takesRight = try isLess(keys[order[right]], keys[order[left]])
                    }
                    merged.append(order[takesRight ? right : left])
                    if takesRight { right += 1 } else { left += 1 }
                }
            }
            order = merged
            width *= 2
        }
        // Reversed twice, equal ones keep their order, as with Python's `reverse`.
        return isReversed ? order.reversed().map { keys.count - 1 - $0 } : order
    }

    // MARK: - map, select, reject and their attribute forms

    mutating func choose(
        _ items: [JinjaValue], _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        try charge(items.count * Self.evaluationCost)
        if input.name == "map" { return try mapped(items, &input) }
        let keepsTrue = input.name.hasPrefix("select")
        var path: String?
        if input.name.hasSuffix("attr") {
            path = try required(try takeString(&input, "attribute"), input, "attribute")
        }
        let test = try takeString(&input, "test")
        let arguments = input.takeRest()
        try finish(input)
        var kept: [JinjaValue] = []
        for item in items {
            let value = try path.map { (path) throws(JinjaFailure) in
                try self.value(at: path, of: item)
            }
            let holds = try test.map { (test) throws(JinjaFailure) in
                try self.test(value ?? item, JinjaInput(test, arguments))
            }
            if holds ?? (value ?? item).isTrue == keepsTrue { kept.append(item) }
        }
        return try made(kept)
    }

    private mutating func mapped(
        _ items: [JinjaValue], _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        var result: [JinjaValue] = []
        if let attribute = input.takeNamed("attribute") {
            guard case .string(let path) = attribute else {
                throw failure("'map': attribute is \(attribute.kind), not a string")
            }
            let fallback = input.takeNamed("default")
            try finish(input)
            for item in items {
                let value = try value(at: path, of: item)
                result.append(value.isUndefined ? fallback ?? value : value)
            }
            return try made(result)
        }
        let filter = try required(try takeString(&input, "filter"), input, "filter")
        let arguments = input.takeRest()
        let named = input.takeAllNamed()
        for item in items {
            let value = try nested { (evaluator) throws(JinjaFailure) in
                try evaluator.apply(JinjaInput(filter, arguments, named), to: item)
            }
            result.append(value)
        }
        return try made(result)
    }
}
