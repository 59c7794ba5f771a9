#include "report/report.h"
gb_err gb_report_page(const gb_report *r, gb_text *out)
{
  (void)r;
  gb_text_add(out, "x");
  return GB_OK;
}
