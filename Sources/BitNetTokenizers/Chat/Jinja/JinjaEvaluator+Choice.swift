extension JinjaEvaluator {
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
        _ value: JinjaValue, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let call = input
        return try iterator { (evaluator, kept) throws(JinjaFailure) in
            // Where there is nothing, jinja2 does not look at the arguments.
            guard value.isTrue else { return }
            let items = try evaluator.items(of: value)
            try evaluator.charge(items.count * Self.evaluationCost)
            var call = call
            if call.name == "map" {
                try evaluator.map(items, &call, into: &kept)
            } else {
                try evaluator.select(items, &call, into: &kept)
            }
        }
    }

    private mutating func select(
        _ items: [JinjaValue], _ input: inout JinjaInput, into kept: inout [JinjaValue]
    ) throws(JinjaFailure) {
        let keepsTrue = input.name.hasPrefix("select")
        var path = JinjaValue.none
        if input.name.hasSuffix("attr") {
            path = try required(input.takeNext(), input, "attribute")
        }
        let test = try takeString(&input, "test")
        let arguments = input.takeRest()
        let named = input.takeAllNamed()
        for item in items {
            let value = try self.value(at: path, of: item)
            let holds = try test.map { (test) throws(JinjaFailure) in
                try self.test(value, JinjaInput(test, arguments, named))
            }
            if holds ?? value.isTrue == keepsTrue { kept.append(item) }
        }
    }

    private mutating func map(
        _ items: [JinjaValue], _ input: inout JinjaInput, into result: inout [JinjaValue]
    ) throws(JinjaFailure) {
        guard let filter = input.takeNext() else {
            let path = try required(input.takeNamed("attribute"), input, "filter")
            let fallback = input.takeNamed("default")
            try finish(input)
            for item in items { result.append(try value(at: path, of: item, fallback)) }
            return
        }
        guard let filter = filter.string else { throw failure("'map' with \(filter.kind)") }
        let arguments = input.takeRest()
        let named = input.takeAllNamed()
        for item in items {
            let value = try nested(levels: 4) { (evaluator) throws(JinjaFailure) in
                try evaluator.apply(JinjaInput(filter, arguments, named), to: item)
            }
            result.append(value)
        }
    }
}
