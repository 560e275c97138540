/// The elements of a JSON array, read from the text when they are asked for.
///
/// Counting them or going to one by its number goes through those before.
package struct JSONArray: Sendable, Collection {
    private let document: JSONDocument
    private let start: Int

    init(_ document: JSONDocument, at start: Int) {
        self.document = document
        self.start = start
    }

    /// The place of an element in the text.
    package struct Index: Comparable {
        let position: Int

        package static func < (left: Self, right: Self) -> Bool { left.position < right.position }
    }

    package var startIndex: Index { Index(position: document.first(inContainerAt: start)) }
    package var endIndex: Index { Index(position: document.end(ofContainerAt: start) - 1) }

    package func index(after index: Index) -> Index {
        Index(position: document.next(after: document.end(ofValueAt: index.position)))
    }

    package subscript(index: Index) -> JSONValue { document.value(at: index.position) }

    /// The element with a number; nil where there are fewer.
    package func element(_ number: Int) -> JSONValue? { dropFirst(number).first }
}

extension JSONArray: Hashable {
    package static func == (left: Self, right: Self) -> Bool { left.elementsEqual(right) }

    package func hash(into hasher: inout Hasher) { for element in self { hasher.combine(element) } }
}

/// A JSON object. Its members are read from the text when they are asked for.
package struct JSONObject: Sendable {
    private let document: JSONDocument
    private let start: Int

    init(_ document: JSONDocument, at start: Int) {
        self.document = document
        self.start = start
    }

    /// One key and its value.
    package struct Member: Sendable, Hashable {
        package let key: String
        package let value: JSONValue
    }

    /// Whether there may be several members with one key, of which the last counts.
    var mayRepeat: Bool { document.lastCounts }

    /// All members, in the order of the file; keys are distinct byte for byte.
    package var members: Members { Members(document, at: start) }

    /// The value of `key`, compared byte for byte; goes through the members before.
    package subscript(key: String) -> JSONValue? { document.value(of: key, inObjectAt: start) }

    /// The members of an object.
    package struct Members: Sendable, Collection {
        private let document: JSONDocument
        private let start: Int

        fileprivate init(_ document: JSONDocument, at start: Int) {
            self.document = document
            self.start = start
        }

        /// The place of a key in the text.
        package struct Index: Comparable {
            let position: Int

            package static func < (left: Self, right: Self) -> Bool {
                left.position < right.position
            }
        }

        package var startIndex: Index { Index(position: document.first(inContainerAt: start)) }
        package var endIndex: Index { Index(position: document.end(ofContainerAt: start) - 1) }

        package func index(after index: Index) -> Index {
            let value = document.value(ofKeyAt: index.position)
            return Index(position: document.next(after: document.end(ofValueAt: value)))
        }

        package subscript(index: Index) -> Member {
            Member(
                key: document.string(at: index.position),
                value: document.value(at: document.value(ofKeyAt: index.position)))
        }
    }
}

extension JSONObject: Hashable {
    package static func == (left: Self, right: Self) -> Bool {
        left.members.elementsEqual(right.members)
    }

    package func hash(into hasher: inout Hasher) {
        for member in members { hasher.combine(member) }
    }
}
