// The methods of strings.
extension JinjaEvaluator {
    mutating func callString(
        _ text: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let name = input.name
        if name == "format" || name == "format_map" { return try format(text, &input) }
        let named: Set<String> =
            ["split", "rsplit"].contains(name)
            ? ["sep", "maxsplit"]
            : ["splitlines": ["keepends"], "expandtabs": ["tabsize"]][name] ?? []
        if let extra = input.firstName(outside: named) {
            throw failure("'\(name)' takes no argument named '\(extra)'")
        }
        if let holds = text.hasProperty(name) { return .bool(holds) }
        if let changed = try recased(text, name) { return try made(changed) }
        switch name {
        case "strip", "lstrip", "rstrip":
            let side: String.Side =
                name == "strip" ? .both : name == "lstrip" ? .leading : .trailing
            return try made(try trimmed(text, side, try takeString(&input, "chars")))
        case "split", "rsplit": return try split(text, &input)
        case "splitlines":
            return try made(
                text.splitLines(keepingEnds: takeFlag(&input, "keepends")).map { .string($0) })
        case "partition", "rpartition": return try partition(text, &input)
        case "startswith", "endswith": return .bool(try hasAffix(text, &input))
        case "removeprefix", "removesuffix": return try removeAffix(text, &input)
        case "replace":
            let old = try required(try takeString(&input, "old"), input, "old")
            let new = try required(try takeString(&input, "new"), input, "new")
            return try replaced(text, old, new, try takeInteger(&input, "count") ?? -1)
        case "join": return try joined(text, &input)
        case "find", "rfind", "index", "rindex", "count": return try found(text, &input)
        case "center", "ljust", "rjust":
            let width = try required(try takeInteger(&input, "width"), input, "width")
            let fill = try takeString(&input, "fillchar") ?? " "
            let side: Padding = name == "center" ? .both : name == "ljust" ? .after : .before
            return try made(try padded(text, width, side, fill: fill))
        case "zfill":
            let width = try required(try takeInteger(&input, "width"), input, "width")
            let hasSign = text.utf8.first == 0x2B || text.utf8.first == 0x2D
            let sign = hasSign ? String(text.unicodeScalars.prefix(1)) : ""
            let digits = String(text.unicodeScalars.dropFirst(hasSign ? 1 : 0))
            let room = hasSign ? max(width, 1) - 1 : width
            return try made(sign + (try padded(digits, room, .before, fill: "0")))
        case "expandtabs": return try expandTabs(text, &input)
        default: throw unsupported(name, of: .string(text))
        }
    }

    /// What the methods that change case make of `text`; nil for another method.
    private func recased(_ text: String, _ name: String) throws(JinjaFailure) -> String? {
        switch name {
        case "upper": return text.uppercased()
        case "lower": return text.pythonLowered
        case "title": return text.titled
        case "capitalize": return text.capitalizedFirst
        case "swapcase": return text.caseSwapped
        case "casefold":
            guard text.utf8.allSatisfy({ $0 < 0x80 }) else {
                throw failure("'casefold' of letters that are not ASCII is not supported")
            }
            return text.lowercased()
        default: return nil
        }
    }

    mutating func trimmed(
        _ text: String, _ side: String.Side, _ set: String?
    ) throws(JinjaFailure) -> String {
        try charge(text.utf8.count + (set?.utf8.count ?? 0))
        return text.trimmed(side, of: set)
    }

    // MARK: - Padding

    enum Padding {
        case before, after, both
    }

    /// `text` with `fill`, one character, around it up to `width` characters.
    mutating func padded(
        _ text: String, _ width: Int, _ side: Padding, fill: String = " "
    ) throws(JinjaFailure) -> String {
        guard fill.unicodeScalars.count == 1 else {
            throw failure("'\(fill)' is not one character to fill with")
        }
        let count = text.unicodeScalars.count
        guard width > count else { return text }
        let room = width - count
        try charge(min(room, Self.maximumWork) * fill.utf8.count + text.utf8.count)
        let before =
            switch side {
            case .before: room
            case .after: 0
            // As Python does: what is odd goes before where the width is odd, too.
            case .both: room / 2 + (room & width & 1)
            }
        return String(repeating: fill, count: before) + text
            + String(repeating: fill, count: room - before)
    }

    private mutating func expandTabs(
        _ text: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let size = try takeInteger(&input, "tabsize") ?? 8
        var result = ""
        var column = 0
        for scalar in text.unicodeScalars {
            if scalar == "\t" {
                guard size > 0 else { continue }
                let width = size - column % size
                try charge(min(width, Self.maximumWork))
                column += width
                result += String(repeating: " ", count: width)
            } else {
                column = scalar == "\n" || scalar == "\r" ? 0 : column + 1
                result.append(scalar)
            }
        }
        return try made(result)
    }

    // MARK: - Parts

    private mutating func split(
        _ text: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let separator = try takeString(&input, "sep")
        let limit = try takeInteger(&input, "maxsplit") ?? -1
        let isFromEnd = input.name == "rsplit"
        guard let separator else {
            let parts =
                isFromEnd
                ? text.splitAtSpaceFromEnd(limit: limit) : text.splitAtSpace(limit: limit)
            return try made(parts.map { .string($0) })
        }
        guard !separator.isEmpty else { throw failure("'\(input.name)' at an empty string") }
        let parts =
            isFromEnd
            ? text.splitFromEnd(at: separator, limit: limit)
            : text.split(at: separator, limit: limit)
        return try made(parts.map { .string($0) })
    }

    private mutating func partition(
        _ text: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let separator = try required(try takeString(&input, "sep"), input, "sep")
        guard !separator.isEmpty else { throw failure("'\(input.name)' at an empty string") }
        let isFromEnd = input.name == "rpartition"
        var parts =
            isFromEnd
            ? text.splitFromEnd(at: separator, limit: 1) : text.split(at: separator, limit: 1)
        if parts.count == 2 {
            parts.insert(separator, at: 1)
        } else {
            parts = isFromEnd ? ["", "", text] : [text, "", ""]
        }
        return try made(parts.map { .string($0) }, isTuple: true)
    }

    private mutating func removeAffix(
        _ text: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let affix = try required(try takeString(&input, "affix"), input, "affix")
        let isPrefix = input.name == "removeprefix"
        let hasIt = isPrefix ? text.startsExactly(with: affix) : text.endsExactly(with: affix)
        guard hasIt else { return .string(text) }
        let scalars = text.unicodeScalars
        let count = affix.unicodeScalars.count
        return .string(String(isPrefix ? scalars.dropFirst(count) : scalars.dropLast(count)))
    }

    /// The part of `text` between the arguments `start` and `stop`, and its place; nil where a start
    /// lies behind the end.
    private func takePart(
        of text: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> (text: String, start: Int)? {
        if input.isEmpty { return (text, 0) }
        let scalars = Array(text.unicodeScalars)
        let (start, stop) = try takeBounds(&input, scalars.count)
        guard start <= stop else { return nil }
        var part = String.UnicodeScalarView()
        part.append(contentsOf: scalars[start..<stop])
        return (String(part), start)
    }

    private mutating func hasAffix(
        _ text: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> Bool {
        let affix = try required(input.takeNext(), input, "affix")
        guard let (text, _) = try takePart(of: text, &input) else { return false }
        var choices = [affix]
        if case .list(let list) = affix, list.isTuple { choices = list.items }
        for choice in choices {
            guard let choice = choice.string else {
                throw failure("'\(input.name)' looks for \(choice.kind)")
            }
            try charge(choice.utf8.count)
            let hasIt =
                input.name == "startswith"
                ? text.startsExactly(with: choice) : text.endsExactly(with: choice)
            if hasIt { return true }
        }
        return false
    }

    private mutating func joined(
        _ separator: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let items = try self.items(of: try required(input.takeNext(), input, "iterable"))
        var result = ""
        for (index, item) in items.enumerated() {
            guard let part = item.string else { throw failure("'join' of \(item.kind)") }
            try charge(separator.utf8.count + part.utf8.count)
            result += index > 0 ? separator + part : part
        }
        return .string(result)
    }

    private mutating func found(
        _ text: String, _ input: inout JinjaInput
    ) throws(JinjaFailure) -> JinjaValue {
        let name = input.name
        let part = try required(try takeString(&input, "sub"), input, "sub")
        try charge(part.utf8.count)
        guard let (text, start) = try takePart(of: text, &input) else {
            if name.hasSuffix("index") { throw failure("the string is not in the other") }
            return .integer(name == "count" ? 0 : -1)
        }
        if part.isEmpty {
            let count = text.unicodeScalars.count
            return .integer(
                name == "count" ? count + 1 : name.hasPrefix("r") ? start + count : start)
        }
        if name == "count" { return .integer(text.occurrences(of: part).count) }
        let parts =
            name.hasPrefix("r")
            ? text.splitFromEnd(at: part, limit: 1) : text.split(at: part, limit: 1)
        guard parts.count == 2 else {
            if name.hasSuffix("index") { throw failure("the string is not in the other") }
            return .integer(-1)
        }
        return .integer(start + parts[0].unicodeScalars.count)
    }
}
