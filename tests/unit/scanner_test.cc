// SPDX-License-Identifier: Apache-2.0

#include "controller/scanner.h"

#include <gtest/gtest.h>

namespace ovs_rmirror {
namespace {

std::string ScanToText(const std::string& text) {
  const SourceText source("p", text);
  Diagnostics diagnostics;
  const std::string tokens = FormatTokens(Scan(source, &diagnostics));
  return tokens + Format(source, diagnostics);
}

TEST(Scanner, SkipsEmptyLinesAndComments) {
  EXPECT_EQ(ScanToText("\n   \n# comment\n\t # comment \"\nCOMMIT\n"),
            "5:1\tword\tCOMMIT\n");
}

TEST(Scanner, KnowsTablesChainsCountersAndNegations) {
  EXPECT_EQ(ScanToText("*rmirror\n:OUTPUT ACCEPT [1:20]\n[3:4] -A X ! -s y\n"),
            "1:1\ttable\trmirror\n"
            "2:1\tchain\tOUTPUT\n"
            "2:9\tword\tACCEPT\n"
            "2:16\tcounters\t1:20\n"
            "3:1\tcounters\t3:4\n"
            "3:7\tword\t-A\n"
            "3:10\tword\tX\n"
            "3:12\tnot\t!\n"
            "3:14\tword\t-s\n"
            "3:17\tword\ty\n");
}

TEST(Scanner, TakesTablesAndChainsOnlyAtTheBeginningOfALine) {
  EXPECT_EQ(ScanToText("-A *x :y\n"),
            "1:1\tword\t-A\n1:4\tword\t*x\n1:7\tword\t:y\n");
}

TEST(Scanner, TakesAnythingElseInBracketsAsAWord) {
  EXPECT_EQ(ScanToText("[a:1] [1:] [] [1:2\n"),
            "1:1\tword\t[a:1]\n1:7\tword\t[1:]\n1:12\tword\t[]\n"
            "1:15\tword\t[1:2\n");
}

TEST(Scanner, KeepsBlanksAndSpecialCharactersInQuotes) {
  EXPECT_EQ(ScanToText("\"a  b\" \"!\" \"*x\" \"\"\n"),
            "1:1\tstring\ta  b\n1:8\tstring\t!\n1:12\tstring\t*x\n"
            "1:17\tstring\t\n");
}

TEST(Scanner, ResolvesEscapesInQuotesOnly) {
  EXPECT_EQ(ScanToText(R"("a \"b\" \\ c" d\e)"),
            "1:1\tstring\ta \"b\" \\ c\n1:16\tword\td\\e\n");
}

TEST(Scanner, AcceptsLineEndsOfDos) {
  EXPECT_EQ(ScanToText("COMMIT\r\n"), "1:1\tword\tCOMMIT\n");
}

TEST(Scanner, ReportsAQuoteThatIsNotClosed) {
  EXPECT_EQ(ScanToText("-A x \"abc\n"),
            "1:1\tword\t-A\n1:4\tword\tx\n1:6\tstring\tabc\n"
            "p:1:6: error: this quote is not closed\n"
            "    -A x \"abc\n"
            "         ^~~~\n"
            "    end the string with a \" in the same line\n");
}

TEST(Scanner, RefusesBinaryFiles) {
  const SourceText source("p", std::string("a\0b\n", 4));
  Diagnostics diagnostics;
  EXPECT_TRUE(Scan(source, &diagnostics).empty());
  EXPECT_TRUE(diagnostics.HasErrors());
}

TEST(SplitList, KeepsEmptyParts) {
  using Parts = std::vector<std::pair<size_t, size_t>>;
  EXPECT_EQ(SplitList("80,443"), (Parts{{0, 2}, {3, 3}}));
  EXPECT_EQ(SplitList(""), (Parts{{0, 0}}));
  EXPECT_EQ(SplitList(",1"), (Parts{{0, 0}, {1, 1}}));
}

}  // namespace
}  // namespace ovs_rmirror
