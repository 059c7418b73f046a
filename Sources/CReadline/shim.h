// GNU readline as mqshell's line editor uses it. Its headers want stdio.h before them.
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <readline/readline.h>
#include <readline/history.h>

// Its settings are variables, which Swift does not let a program share among threads; here they are functions.

static inline void setUpReadline(const char *name, rl_completion_func_t *complete) {
  rl_readline_name = name;
  rl_attempted_completion_function = complete;
  rl_completer_word_break_characters = " \t;";
  rl_basic_word_break_characters = " \t;";
  rl_completer_quote_characters = "";
  // Signals are the program's own business.
  rl_catch_signals = 0;
  rl_catch_sigwinch = 0;
  // To ask, readline would wait for a key by itself, and nothing else would be served.
  rl_completion_query_items = -1;
  rl_variable_bind("page-completions", "off");
  // A pasted line end must not run what is still to be looked at; it also keeps pasted text from being commands of the editor.
  rl_variable_bind("enable-bracketed-paste", "on");
}

static inline const char *readlineBuffer(void) { return rl_line_buffer; }

static inline _Bool isReadlineSearching(void) { return RL_ISSTATE(RL_STATE_ISEARCH | RL_STATE_NSEARCH) != 0; }
static inline int firstHistoryNumber(void) { return history_base; }

// What ends a completed word, and whether files may be tried when the program has no completion.
static inline void setCompletionEnd(int character) { rl_completion_append_character = character; }
static inline void endCompletion(void) { rl_attempted_completion_over = 1; }
static inline void completeFileNames(void) { rl_filename_completion_desired = 1; }

// Takes the line that is being edited off the screen, whatever rows it fills. What readline has not written yet must not
// come behind what is written next.
static inline void hideReadline(void) {
  rl_clear_visible_line();
  fflush(rl_outstream);
}

// Puts it back below.
static inline void showReadline(void) {
  rl_on_new_line();
  rl_redisplay();
  fflush(rl_outstream);
}

// Hands the terminal back for a while, and takes it again with the line as it was.
static inline void leaveReadline(void) {
  rl_crlf();
  fflush(rl_outstream);
  rl_deprep_terminal();
}
static inline void resumeReadline(void) {
  rl_prep_terminal(1);
  rl_on_new_line();
  rl_redisplay();
  fflush(rl_outstream);
}

// Gives the line up, in whatever state of editing, searching or completing it is.
static inline void discardReadline(void) {
  rl_free_line_state();
  rl_callback_sigcleanup();
  rl_point = rl_end;
  rl_redisplay();
  fputs("^C", rl_outstream);
  rl_crlf();
  fflush(rl_outstream);
}

// Whether the terminal has no sequences that move the cursor.
static inline _Bool isReadlineDumb(void) {
  const char *terminal = getenv("TERM");
  return terminal == NULL || strcmp(terminal, "dumb") == 0;
}

// At Ctrl-D readline itself goes to the next line, but only where it has marked pasted text.
static inline _Bool endsReadlineLastLine(void) {
  return !isReadlineDumb() && strcmp(rl_variable_value("enable-bracketed-paste"), "on") == 0;
}

// The columns from the beginning of the prompt to the cursor.
static inline int readlineColumnsToCursor(void) {
  int columns = 0;
  const char *parts[] = { rl_display_prompt, rl_line_buffer };
  size_t lengths[] = { rl_display_prompt ? strlen(rl_display_prompt) : 0, rl_point };
  for (int part = 0; part < 2; part++) {
    mbstate_t state = { 0 };
    for (size_t index = 0; index < lengths[part];) {
      wchar_t character;
      size_t size = mbrtowc(&character, parts[part] + index, lengths[part] - index, &state);
      int width = (int)size > 0 ? wcwidth(character) : 1;
      columns += width >= 0 ? width : 2;  // ^C
      index += (int)size > 0 ? size : 1;
    }
  }
  return columns;
}

// The terminal has another size. Most of them break the rows of the line anew then, which readline does not know: what it would take
// off the screen are as many rows as there were before. Only xterm leaves them as they are.
static inline void resizeReadline(void) {
  if (isReadlineDumb()) return rl_resize_terminal();
  int rows, before, columns;
  rl_get_screen_size(&rows, &before);
  rl_reset_screen_size();
  rl_get_screen_size(&rows, &columns);
  int width = getenv("XTERM_VERSION") ? before : columns;
  int above = width > 0 ? readlineColumnsToCursor() / width : 0;
  fputs("\r", rl_outstream);
  if (above > 0) fprintf(rl_outstream, "\033[%dA", above);
  fputs("\033[J", rl_outstream);
  rl_forced_update_display();
  fflush(rl_outstream);
}
