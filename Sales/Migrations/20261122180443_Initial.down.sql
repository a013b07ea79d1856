DROP TRIGGER count_daily_sales ON orders; DROP FUNCTION count_daily_sales();
DROP TRIGGER count_sold_items ON orders; DROP FUNCTION count_sold_items();
